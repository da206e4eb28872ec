// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/buffer.hpp>
#include <lorapro/core/view.hpp>
#include <lorapro/linalg/packet.hpp>

#include <cmath>   // std::abs
#include <limits>  // std::numeric_limits
#include <memory>  // std::shared_ptr
#include <string>  // std::string

LORAPRO_NAMESPACE_BEGIN

namespace detail {

inline void check_weight_shape(Index out_features, Index in_features) {
  if (out_features < 1 || in_features < 1)
    throw ShapeError("base_weight: expected at least (1, 1), got " +
                     checks::shape_text(out_features, in_features));
}

/// An entry of a weight that is about to be quantised.
/// \throws ConfigError unless it is finite and at most `largest` in magnitude.
template <typename Derived>
double finite_entry(const Eigen::DenseBase<Derived>& weight, Index i, Index j,
                    double largest = static_cast<double>((std::numeric_limits<float>::max)())) {
  static_assert(is_storage_scalar_v<typename Derived::Scalar>,
                "weight must be of float, double, bfloat16 or half");
  const auto entry = static_cast<double>(weight.derived().coeff(i, j));
  if (magnitude_bits(entry) <= magnitude_bits(largest)) return entry;
  throw ConfigError("base_weight: expected finite numbers within the range of the format, got " +
                    checks::number_text(entry) + " at " + checks::shape_text(i, j));
}

}  // namespace detail

/// The frozen weight W0 (out_features, in_features), row-major: a cheap handle, shared by copying.
/// It maps a caller's buffer, which must outlive every handle, or owns a copy.
/// \tparam T  float, double, bfloat16 or half.
template <typename T>
class BaseWeight {
  static_assert(is_storage_scalar_v<T>, "BaseWeight: T must be float, double, bfloat16 or half");

 public:
  /// Maps a buffer that is never written. \throws ShapeError (null, sizes below 1).
  static BaseWeight map(const T* data, Index out_features, Index in_features) {
    return BaseWeight(Buffer<T>(), data, nullptr, out_features, in_features);
  }

  /// Maps a buffer that merge and merged weight decay may write.
  static BaseWeight map_writable(T* data, Index out_features, Index in_features) {
    return BaseWeight(Buffer<T>(), data, data, out_features, in_features);
  }

  /// \name The same for a row-major Eigen matrix of scalar T, or a map or block of whole rows
  /// \throws ShapeError (sizes below 1, rows that do not follow one another).
  /// @{
  template <typename Derived>
  static BaseWeight map(const Eigen::DenseBase<Derived>& weight) {
    return map(rows_in_memory(weight.derived()), weight.rows(), weight.cols());
  }
  template <typename Derived>
  static BaseWeight map_writable(Eigen::DenseBase<Derived>& weight) {
    return map_writable(rows_in_memory(weight.derived()), weight.rows(), weight.cols());
  }
  /// A temporary would be gone before the weight is used.
  template <typename Derived>
  static BaseWeight map(const Eigen::PlainObjectBase<Derived>&& weight) = delete;
  /// @}

  /// Copies `weight` (any Eigen expression of scalar T).
  template <typename Derived>
  static BaseWeight own(const Eigen::DenseBase<Derived>& weight) {
    static_assert(std::is_same_v<typename Derived::Scalar, T>, "weight must have the scalar T");
    return copy(weight, [&](Index i, Index j) { return weight.derived().coeff(i, j); });
  }

  /// Copies `weight`, an expression of any storage type, rounded to T.
  /// \throws ShapeError (sizes below 1), ConfigError (an entry that is not finite, or too large for
  /// T).
  template <typename Derived>
  static BaseWeight quantize(const Eigen::DenseBase<Derived>& weight) {
    const auto largest = static_cast<double>((std::numeric_limits<T>::max)());
    return copy(weight, [&](Index i, Index j) {
      return static_cast<T>(detail::finite_entry(weight, i, j, largest));
    });
  }

  Index out_features() const { return storage_->out_features; }
  Index in_features() const { return storage_->in_features; }
  /// Memory of the weight, mapped or owned.
  std::size_t bytes() const {
    return sizeof(T) * static_cast<std::size_t>(out_features() * in_features());
  }
  const T* data() const { return storage_->data; }
  /// Null for a read-only map.
  T* writable_data() const { return storage_->writable; }
  /// Whether no other handle shares the weight.
  bool sole() const { return storage_.use_count() == 1; }

  Eigen::Map<const RowMatrix<T>> matrix() const { return {data(), out_features(), in_features()}; }

  /// The block (rows, cols) that begins at (row, col), in Scalar, rows `stride` apart.
  template <typename Scalar>
  void decode(Index row, Index rows, Index col, Index cols, Scalar* out, Index stride) const {
    for (Index i = 0; i < rows; ++i)
      convert(data() + (row + i) * in_features() + col, cols, out + i * stride);
  }

 private:
  struct Storage {
    Buffer<T> owned;
    const T* data;
    T* writable;
    Index out_features;
    Index in_features;
  };

  template <typename Scalar>
  static void convert(const T* from, Index count, Scalar* to) {
    Index k = 0;
    if constexpr (std::is_same_v<T, bfloat16> && std::is_same_v<Scalar, float>) {
      // Eigen's conversion works number by number on some instruction sets.
      using P = detail::Packets<float>;
      for (; k + P::kSize <= count; k += P::kSize)
        P::store(to + k, detail::MomentLanes<float, bfloat16>::load(from + k));
    }
    using Source = Eigen::Map<const Eigen::Array<T, 1, Eigen::Dynamic>>;
    using Target = Eigen::Map<Eigen::Array<Scalar, 1, Eigen::Dynamic>>;
    Target(to + k, count - k) = Source(from + k, count - k).template cast<Scalar>();
  }

  template <typename Derived>
  static auto* rows_in_memory(Derived& weight) {
    static_assert(std::is_same_v<typename Derived::Scalar, T>, "weight must have the scalar T");
    static_assert((Derived::Flags & Eigen::DirectAccessBit) != 0,
                  "weight must have memory of its own: own() copies an expression");
    static_assert(Derived::IsRowMajor && Derived::InnerStrideAtCompileTime == 1,
                  "weight must be row-major with contiguous rows");
    if (weight.rows() > 1 && weight.outerStride() != weight.cols())
      throw ShapeError("base_weight: expected rows that follow one another, " +
                       std::to_string(weight.cols()) + " elements apart, got " +
                       std::to_string(weight.outerStride()));
    return weight.data();
  }

  /// A weight of its own with the entries entry(i, j), of the shape of `weight`.
  template <typename Derived, typename Entry>
  static BaseWeight copy(const Eigen::DenseBase<Derived>& weight, const Entry& entry) {
    const Index rows = weight.rows(), cols = weight.cols();
    Buffer<T> buffer(rows * cols);
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < cols; ++j) buffer[i * cols + j] = entry(i, j);
    T* const data = buffer.data();
    return BaseWeight(std::move(buffer), data, data, rows, cols);
  }

  BaseWeight(Buffer<T> owned, const T* data, T* writable, Index out_features, Index in_features) {
    detail::check_weight_shape(out_features, in_features);
    if (data == nullptr) throw ShapeError("base_weight: expected a buffer, got a null pointer");
    storage_ = std::make_shared<Storage>(
        Storage{std::move(owned), data, writable, out_features, in_features});
  }

  std::shared_ptr<Storage> storage_;
};

namespace detail {

/// Whether an adapter's product can be added to W0, and taken out again.
/// \throws ConfigError (W0 is read-only, shared, or of a class that quantises it).
template <typename Weight>
void check_can_merge(const Weight&) {
  // s B A is far below the distance of two codes: most of it would be rounded away.
  throw ConfigError(std::string("base_weight: expected a floating-point W0 to merge into, got ") +
                    Weight::kFormat + "; merge into the original checkpoint instead");
}
template <typename T>
void check_can_merge(const BaseWeight<T>& weight) {
  if (weight.writable_data() == nullptr)
    throw ConfigError("base_weight: expected a writable W0 to merge into, got a read-only one");
  if (!weight.sole())
    throw ConfigError("base_weight: expected sole ownership to merge, got a shared W0");
}

}  // namespace detail

LORAPRO_NAMESPACE_END

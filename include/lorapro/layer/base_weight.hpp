// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/buffer.hpp>
#include <lorapro/core/view.hpp>

#include <memory>  // std::shared_ptr

LORAPRO_NAMESPACE_BEGIN

/// The frozen weight W0 (out_features, in_features), row-major: a cheap handle, shared by copying.
/// It maps a caller's buffer, which must outlive every handle, or owns a copy.
/// \tparam T  float, double or bfloat16.
template <typename T>
class BaseWeight {
  static_assert(is_compute_scalar_v<T> || std::is_same_v<T, bfloat16>,
                "BaseWeight: T must be float, double or bfloat16");

 public:
  /// Maps a buffer that is never written. \throws ShapeError (null, sizes below 1).
  static BaseWeight map(const T* data, Index out_features, Index in_features) {
    return BaseWeight(Buffer<T>(), data, nullptr, out_features, in_features);
  }

  /// Maps a buffer that merge and merged weight decay may write.
  static BaseWeight map_writable(T* data, Index out_features, Index in_features) {
    return BaseWeight(Buffer<T>(), data, data, out_features, in_features);
  }

  /// Copies `weight` (any Eigen expression of scalar T).
  template <typename Derived>
  static BaseWeight own(const Eigen::DenseBase<Derived>& weight) {
    static_assert(std::is_same_v<typename Derived::Scalar, T>, "weight must have the scalar T");
    Buffer<T> buffer(weight.rows() * weight.cols());
    for (Index i = 0; i < weight.rows(); ++i)
      for (Index j = 0; j < weight.cols(); ++j)
        buffer[i * weight.cols() + j] = weight.derived().coeff(i, j);
    T* const data = buffer.data();
    return BaseWeight(std::move(buffer), data, data, weight.rows(), weight.cols());
  }

  Index out_features() const { return storage_->out_features; }
  Index in_features() const { return storage_->in_features; }
  const T* data() const { return storage_->data; }
  /// Null for a read-only map.
  T* writable_data() const { return storage_->writable; }
  /// Whether no other handle shares the weight.
  bool sole() const { return storage_.use_count() == 1; }

  Eigen::Map<const RowMatrix<T>> matrix() const { return {data(), out_features(), in_features()}; }

 private:
  struct Storage {
    Buffer<T> owned;
    const T* data;
    T* writable;
    Index out_features;
    Index in_features;
  };

  BaseWeight(Buffer<T> owned, const T* data, T* writable, Index out_features, Index in_features) {
    if (out_features < 1 || in_features < 1)
      throw ShapeError("base_weight: expected at least (1, 1), got " +
                       checks::shape_text(out_features, in_features));
    if (data == nullptr) throw ShapeError("base_weight: expected a buffer, got a null pointer");
    storage_ = std::make_shared<Storage>(
        Storage{std::move(owned), data, writable, out_features, in_features});
  }

  std::shared_ptr<Storage> storage_;
};

LORAPRO_NAMESPACE_END

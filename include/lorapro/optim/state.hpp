// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/moment_tiles.hpp>
#include <lorapro/adjust/pair.hpp>

#include <functional>  // std::function
#include <string>      // std::string

LORAPRO_NAMESPACE_BEGIN

/// A matrix of an optimizer, of its state or a parameter, as a visitor sees it: shape (rows, cols),
/// row-major, unscaled, whatever lies in memory. A reference; valid during the visit only.
class StateTensor {
 public:
  /// \tparam T  float, double, bfloat16 or half.
  template <typename T>
  explicit StateTensor(const MatrixView<T>& view)
      : owner_(view.data),
        type_(storage_type<T>()),
        rows_(view.rows),
        cols_(view.cols),
        row_stride_(view.row_stride),
        col_stride_(view.col_stride) {}
  /// Contiguous.
  template <typename T>
  StateTensor(T* data, Index rows, Index cols)
      : StateTensor(MatrixView<T>{data, rows, cols, cols, 1}) {}
  /// One of two moments that are kept in tiles.
  template <typename Scalar, typename Storage>
  StateTensor(MomentTiles<Scalar, Storage>& moments,
              typename MomentTiles<Scalar, Storage>::Moment moment)
      : owner_(&moments),
        type_(storage_type<Storage>()),
        rows_(moments.rows()),
        cols_(moments.cols()),
        moment_(moment),
        tiled_(&element_of<Scalar, Storage>) {}

  Index rows() const { return rows_; }
  Index cols() const { return cols_; }
  Index size() const { return rows_ * cols_; }
  /// Of an element; what is read and written may be of another type, and is rounded.
  StorageType type() const { return type_; }

  /// Copies the matrix out; `out` has size() elements.
  template <typename T>
  void read(T* out) const {
    read(0, size(), out);
  }
  /// Replaces the matrix by `in`, size() elements.
  template <typename T>
  void write(const T* in) const {
    write(0, size(), in);
  }

  /// The same for elements [first, first + count) of the row-major order, so that a matrix can be
  /// copied in pieces.
  template <typename T>
  void read(Index first, Index count, T* out) const {
    for_each(first, count, [&](Index i, auto& value) { out[i] = static_cast<T>(value); });
  }
  template <typename T>
  void write(Index first, Index count, const T* in) const {
    for_each(first, count, [&](Index i, auto& value) {
      value = static_cast<std::decay_t<decltype(value)>>(in[i]);
    });
  }

 private:
  template <typename Scalar, typename Storage>
  static void* element_of(const StateTensor& tensor, Index row, Index col) {
    using Moments = MomentTiles<Scalar, Storage>;
    return &static_cast<Moments*>(tensor.owner_)
                ->at(static_cast<typename Moments::Moment>(tensor.moment_), row, col);
  }

  /// Calls f(i, element first + i) for i < count.
  template <typename F>
  void for_each(Index first, Index count, const F& f) const {
    visit_storage_type(type_, [&](auto zero) {
      using T = decltype(zero);
      Index row = first / cols_, col = first % cols_;
      for (Index i = 0; i < count; ++i) {
        f(i, tiled_ != nullptr ? *static_cast<T*>(tiled_(*this, row, col))
                               : static_cast<T*>(owner_)[row * row_stride_ + col * col_stride_]);
        if (++col < cols_) continue;
        col = 0;
        ++row;
      }
    });
  }

  void* owner_;
  StorageType type_;
  Index rows_;
  Index cols_;
  Index row_stride_ = 0;
  Index col_stride_ = 0;
  Index moment_ = 0;
  void* (*tiled_)(const StateTensor&, Index, Index) = nullptr;
};

/// Is called with the name and the matrix of each part of a state.
using StateVisitor = std::function<void(const std::string&, const StateTensor&)>;

/// An array of the shape of a factor, (rank, in_features) or (out_features, rank) row-major, with
/// the rank first.
template <typename T>
FactorView factor_view(Side side, const PairShape& shape, T* data) {
  const Index length = shape.length(side);
  return side == Side::A ? FactorView{data, storage_type<T>(), shape.rank, length, length, 1}
                         : FactorView{data, storage_type<T>(), shape.rank, length, 1, shape.rank};
}

/// State of a factor, an element for each of its own; zero at first.
template <typename Scalar>
class FactorState {
 public:
  FactorState() = default;
  FactorState(Side side, const PairShape& shape)
      : side_(side), shape_(shape), values_(shape.rank * shape.length(side)) {}
  /// Of both factors.
  static PerSide<FactorState> of(const PairShape& shape) {
    return {FactorState(Side::A, shape), FactorState(Side::B, shape)};
  }

  FactorView view() { return factor_view(side_, shape_, values_.data()); }
  /// As checkpoints see it, in the shape of lora_A or lora_B.
  StateTensor tensor() {
    const Index length = shape_.length(side_);
    return side_ == Side::A ? StateTensor(values_.data(), shape_.rank, length)
                            : StateTensor(values_.data(), length, shape_.rank);
  }

 private:
  Side side_ = Side::A;
  PairShape shape_;
  Buffer<Scalar> values_;
};

/// Calls visitor("name_A", tensor) and visitor("name_B", tensor).
template <typename Scalar, typename Visitor>
void visit_sides(const std::string& name, PerSide<FactorState<Scalar>>& state, Visitor&& visitor) {
  visitor(name + "_A", state.A.tensor());
  visitor(name + "_B", state.B.tensor());
}

LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/moment_tiles.hpp>
#include <lorapro/adjust/pair.hpp>

#include <string>  // std::string

LORAPRO_NAMESPACE_BEGIN

/// One matrix of optimizer state as a visitor sees it: shape (rows, cols), row-major, unscaled,
/// whatever the optimizer keeps inside. Valid during the visit only.
/// \tparam T  float, double or bfloat16.
template <typename T>
class StateTensor {
 public:
  using Element = T;
  StateTensor(T* data, Index rows, Index cols) : data_(data), rows_(rows), cols_(cols) {}

  Index rows() const { return rows_; }
  Index cols() const { return cols_; }
  Index size() const { return rows_ * cols_; }
  static constexpr StorageType type() { return storage_type<T>(); }

  /// Copies the state out; `out` has size() elements.
  void read(T* out) const { read(0, size(), out); }
  /// Replaces the state by `in`, size() elements.
  void write(const T* in) { write(0, size(), in); }

  /// The same for elements [first, first + count) of the row-major order, so that a state can be
  /// copied in pieces.
  void read(Index first, Index count, T* out) const {
    std::copy(data_ + first, data_ + first + count, out);
  }
  void write(Index first, Index count, const T* in) { std::copy(in, in + count, data_ + first); }

 private:
  T* data_;
  Index rows_;
  Index cols_;
};

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
  StateTensor<Scalar> tensor() {
    const Index length = shape_.length(side_);
    return side_ == Side::A ? StateTensor<Scalar>(values_.data(), shape_.rank, length)
                            : StateTensor<Scalar>(values_.data(), length, shape_.rank);
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

/// A StateTensor of moments that are kept in tiles: the same to a visitor.
template <typename Scalar, typename Storage>
class MomentTensor {
 public:
  using Element = Storage;
  using Moments = MomentTiles<Scalar, Storage>;
  MomentTensor(Moments& moments, typename Moments::Moment moment)
      : moments_(&moments), moment_(moment) {}

  Index rows() const { return moments_->rows(); }
  Index cols() const { return moments_->cols(); }
  Index size() const { return rows() * cols(); }
  static constexpr StorageType type() { return storage_type<Storage>(); }

  void read(Storage* out) const { read(0, size(), out); }
  void write(const Storage* in) { write(0, size(), in); }
  void read(Index first, Index count, Storage* out) const {
    for_each(first, count, [&](Index i, const Storage& value) { out[i] = value; });
  }
  void write(Index first, Index count, const Storage* in) {
    for_each(first, count, [&](Index i, Storage& value) { value = in[i]; });
  }

 private:
  /// Calls f(i, element first + i) for i < count.
  template <typename F>
  void for_each(Index first, Index count, const F& f) const {
    Index row = first / cols(), col = first % cols();
    for (Index i = 0; i < count; ++i) {
      f(i, moments_->at(moment_, row, col));
      if (++col < cols()) continue;
      col = 0;
      ++row;
    }
  }

  Moments* moments_;
  typename Moments::Moment moment_;
};

/// A StateTensor of the caller's memory, of any stride.
template <typename T>
class StridedTensor {
 public:
  using Element = T;
  explicit StridedTensor(const MatrixView<T>& view) : view_(view) {}

  Index rows() const { return view_.rows; }
  Index cols() const { return view_.cols; }
  Index size() const { return rows() * cols(); }
  static constexpr StorageType type() { return storage_type<T>(); }

  void read(Index first, Index count, T* out) const {
    for (Index i = 0; i < count; ++i) out[i] = at(first + i);
  }
  void write(Index first, Index count, const T* in) {
    for (Index i = 0; i < count; ++i) at(first + i) = in[i];
  }

 private:
  T& at(Index i) const { return view_(i / cols(), i % cols()); }

  MatrixView<T> view_;
};

LORAPRO_NAMESPACE_END

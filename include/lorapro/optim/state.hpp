// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/moment_tiles.hpp>
#include <lorapro/core/storage.hpp>

LORAPRO_NAMESPACE_BEGIN

/// One matrix of optimizer state as a visitor sees it: shape (rows, cols), row-major, unscaled,
/// whatever the optimizer keeps inside. Valid during the visit only.
/// \tparam T  float, double or bfloat16.
template <typename T>
class StateTensor {
 public:
  StateTensor(T* data, Index rows, Index cols) : data_(data), rows_(rows), cols_(cols) {}

  Index rows() const { return rows_; }
  Index cols() const { return cols_; }
  Index size() const { return rows_ * cols_; }
  static constexpr StorageType type() { return storage_type<T>(); }

  /// Copies the state out; `out` has size() elements.
  void read(T* out) const { std::copy(data_, data_ + size(), out); }
  /// Replaces the state by `in`, size() elements.
  void write(const T* in) { std::copy(in, in + size(), data_); }

 private:
  T* data_;
  Index rows_;
  Index cols_;
};

/// A StateTensor of moments that are kept in tiles: the same to a visitor.
template <typename Scalar, typename Storage>
class MomentTensor {
 public:
  using Moments = MomentTiles<Scalar, Storage>;
  MomentTensor(Moments& moments, typename Moments::Moment moment)
      : moments_(&moments), moment_(moment) {}

  Index rows() const { return moments_->rows(); }
  Index cols() const { return moments_->cols(); }
  Index size() const { return rows() * cols(); }
  static constexpr StorageType type() { return storage_type<Storage>(); }

  void read(Storage* out) const {
    for (Index i = 0; i < rows(); ++i)
      for (Index j = 0; j < cols(); ++j) out[i * cols() + j] = moments_->at(moment_, i, j);
  }
  void write(const Storage* in) {
    for (Index i = 0; i < rows(); ++i)
      for (Index j = 0; j < cols(); ++j) moments_->at(moment_, i, j) = in[i * cols() + j];
  }

 private:
  Moments* moments_;
  typename Moments::Moment moment_;
};

LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/linalg/all_finite.hpp>
#include <lorapro/linalg/product.hpp>
#include <lorapro/linalg/symmetric_eigen.hpp>

#include <algorithm>  // std::fill
#include <cmath>      // std::sqrt

LORAPRO_NAMESPACE_BEGIN

/// \file
/// Square matrices of the wide scalar, most of them r x r, and what formulas do with them. None of
/// it allocates. An `out` must not overlap an operand unless it says so; orders must agree.

/// A square matrix, or a block of one, row-major, in memory of somebody else's.
/// \tparam T  Wide or const Wide.
template <typename T>
class SquareView {
 public:
  SquareView() = default;
  SquareView(T* data, Index order) : SquareView(data, order, order) {}
  /// \param stride  from row to row.
  SquareView(T* data, Index order, Index stride) : data_(data), order_(order), stride_(stride) {}
  /// What can be written can be read.
  operator SquareView<const T>() const {  // NOLINT(google-explicit-constructor)
    return {data_, order_, stride_};
  }

  T& operator()(Index i, Index k) const { return data_[i * stride_ + k]; }
  T* row(Index i) const { return data_ + i * stride_; }
  T* data() const { return data_; }
  Index order() const { return order_; }
  Index stride() const { return stride_; }
  Index size() const { return order_ * order_; }
  bool contiguous() const { return stride_ == order_; }
  /// Whether there is a matrix.
  explicit operator bool() const { return data_ != nullptr; }

  /// The block of this order that begins at (i, k).
  SquareView block(Index i, Index k, Index order) const {
    return {data_ + i * stride_ + k, order, stride_};
  }

 private:
  T* data_ = nullptr;
  Index order_ = 0;
  Index stride_ = 0;
};

using Square = SquareView<Wide>;
using ConstSquare = SquareView<const Wide>;

/// A^T as an operand.
struct TransposedSquare {
  ConstSquare of;
};
inline TransposedSquare transposed(ConstSquare a) { return {a}; }

inline void set_zero(Square out) {
  for (Index i = 0; i < out.order(); ++i) std::fill(out.row(i), out.row(i) + out.order(), 0.0);
}

/// \name Products. \cost 2 r^3 flops each
/// @{
/// out = a b.
inline void multiply(Square out, ConstSquare a, ConstSquare b) {
  const Index r = out.order();
  panel_product(a.data(), a.stride(), Index{1}, r, r, b.data(), b.stride(), r, out.data(),
                out.stride(), false);
}
/// out = a^T b.
inline void multiply(Square out, TransposedSquare a, ConstSquare b) {
  const Index r = out.order();
  panel_product(a.of.data(), Index{1}, a.of.stride(), r, r, b.data(), b.stride(), r, out.data(),
                out.stride(), false);
}
/// out += a b^T.
inline void add_product(Square out, ConstSquare a, TransposedSquare b) {
  const Index r = out.order();
  panel_dots(a.data(), a.stride(), r, b.of.data(), b.of.stride(), r, r, out.data(), out.stride(),
             Index{1});
}
/// out = a b^T.
inline void multiply(Square out, ConstSquare a, TransposedSquare b) {
  set_zero(out);
  add_product(out, a, b);
}
/// out = a b + c d.
inline void multiply_sum(Square out, ConstSquare a, ConstSquare b, ConstSquare c, ConstSquare d) {
  const Index r = out.order();
  panel_product_sum({a.data(), a.stride(), b.data(), b.stride()},
                    {c.data(), c.stride(), d.data(), d.stride()}, r, r, r, out.data(),
                    out.stride());
}
/// @}

/// \name Element by element
/// @{
inline void copy(Square out, ConstSquare a) {
  for (Index i = 0; i < out.order(); ++i)
    for (Index k = 0; k < out.order(); ++k) out(i, k) = a(i, k);
}
/// out = -a.
inline void negate(Square out, ConstSquare a) {
  for (Index i = 0; i < out.order(); ++i)
    for (Index k = 0; k < out.order(); ++k) out(i, k) = -a(i, k);
}
inline void scale(Square out, double factor) {
  for (Index i = 0; i < out.order(); ++i)
    for (Index k = 0; k < out.order(); ++k) out(i, k) *= factor;
}
/// out = diag(values) a; out may be a.
inline void scale_rows(Square out, const Wide* values, ConstSquare a) {
  for (Index i = 0; i < out.order(); ++i)
    for (Index k = 0; k < out.order(); ++k) out(i, k) = values[i] * a(i, k);
}
/// out = a^T.
inline void transpose(Square out, ConstSquare a) {
  for (Index i = 0; i < out.order(); ++i)
    for (Index k = 0; k < out.order(); ++k) out(k, i) = a(i, k);
}
/// Copies what is above the diagonal below it.
inline void mirror(Square out) {
  for (Index i = 0; i < out.order(); ++i)
    for (Index k = 0; k < i; ++k) out(i, k) = out(k, i);
}
/// Means of what is above and below the diagonal, in both places: what rounding keeps from being
/// symmetric.
inline void symmetrize(Square out) {
  for (Index i = 0; i < out.order(); ++i)
    for (Index k = 0; k < i; ++k) out(i, k) = out(k, i) = (out(i, k) + out(k, i)) / 2;
}
/// @}

/// \name Numbers of matrices that are contiguous
/// @{
/// <a, b>, the sum of the products of their elements.
inline Wide dot(ConstSquare a, ConstSquare b) {
  eigen_assert(a.contiguous() && b.contiguous());
  return detail::row_dot(a.data(), b.data(), a.size());
}
inline double norm(ConstSquare a) { return std::sqrt(dot(a, a)); }
inline bool all_finite(ConstSquare a) {
  eigen_assert(a.contiguous());
  return all_finite(a.data(), a.size());
}
/// @}

LORAPRO_NAMESPACE_END

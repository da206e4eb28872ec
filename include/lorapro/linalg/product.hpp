// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/numeric.hpp>

LORAPRO_NAMESPACE_BEGIN

/// \file
/// The small products that everything here is made of, on Eigen's packets. Eigen's own products are
/// not used in kernels: they allocate their packing buffers, and a user's -fopenmp would change how
/// they are split and hence the bits.

namespace detail {

/// Register type that serves a row of any length: full packets, then one padded one.
template <typename Scalar>
struct Packets {
  using Packet = typename Eigen::internal::packet_traits<Scalar>::type;
  static constexpr Index kSize = Eigen::internal::unpacket_traits<Packet>::size;
  static Packet load(const Scalar* p) { return Eigen::internal::ploadu<Packet>(p); }
  static void store(Scalar* p, const Packet& v) { Eigen::internal::pstoreu(p, v); }
  static Packet set(Scalar v) { return Eigen::internal::pset1<Packet>(v); }
  static Packet fma(const Packet& a, const Packet& b, const Packet& c) {
    return Eigen::internal::pmadd(a, b, c);
  }
  static Scalar sum(const Packet& v) { return Eigen::internal::predux(v); }
};

/// A block of kRows rows of the product below.
template <Index kRows, typename Scalar>
void product_rows(const Scalar* coefficients, Index row_stride, Index col_stride, Index depth,
                  const Scalar* panel, Index panel_stride, Index width, Scalar* out,
                  Index out_stride, bool accumulate) {
  using P = Packets<Scalar>;
  Index j = 0;
  for (; j + 2 * P::kSize <= width; j += 2 * P::kSize) {
    typename P::Packet sum[kRows][2];
    for (Index i = 0; i < kRows; ++i)
      for (Index h = 0; h < 2; ++h)
        sum[i][h] = accumulate ? P::load(out + i * out_stride + j + h * P::kSize) : P::set(0);
    for (Index k = 0; k < depth; ++k) {
      const auto first = P::load(panel + k * panel_stride + j);
      const auto second = P::load(panel + k * panel_stride + j + P::kSize);
      for (Index i = 0; i < kRows; ++i) {
        const auto c = P::set(coefficients[i * row_stride + k * col_stride]);
        sum[i][0] = P::fma(c, first, sum[i][0]);
        sum[i][1] = P::fma(c, second, sum[i][1]);
      }
    }
    for (Index i = 0; i < kRows; ++i)
      for (Index h = 0; h < 2; ++h) P::store(out + i * out_stride + j + h * P::kSize, sum[i][h]);
  }
  for (; j < width; ++j)
    for (Index i = 0; i < kRows; ++i) {
      Scalar sum = accumulate ? out[i * out_stride + j] : Scalar(0);
      for (Index k = 0; k < depth; ++k)
        sum += coefficients[i * row_stride + k * col_stride] * panel[k * panel_stride + j];
      out[i * out_stride + j] = sum;
    }
}

/// kRows x kCols dot products of rows.
template <Index kRows, Index kCols, typename Scalar>
void dot_rows(const Scalar* left, Index left_stride, const Scalar* right, Index right_stride,
              Index width, Scalar* out, Index row_stride, Index col_stride) {
  using P = Packets<Scalar>;
  typename P::Packet sum[kRows][kCols];
  for (Index i = 0; i < kRows; ++i)
    for (Index k = 0; k < kCols; ++k) sum[i][k] = P::set(0);
  Index j = 0;
  for (; j + P::kSize <= width; j += P::kSize)
    for (Index k = 0; k < kCols; ++k) {
      const auto r = P::load(right + k * right_stride + j);
      for (Index i = 0; i < kRows; ++i)
        sum[i][k] = P::fma(P::load(left + i * left_stride + j), r, sum[i][k]);
    }
  for (Index i = 0; i < kRows; ++i)
    for (Index k = 0; k < kCols; ++k) {
      Scalar total = P::sum(sum[i][k]);
      for (Index t = j; t < width; ++t)
        total += left[i * left_stride + t] * right[k * right_stride + t];
      out[i * row_stride + k * col_stride] += total;
    }
}

}  // namespace detail

/// out = C panel, or out += C panel.
/// \param coefficients  C (rows, depth), element (i, k) at i row_stride + k col_stride.
/// \param panel         (depth, width), rows contiguous, panel_stride apart.
/// \param[out] out      (rows, width), rows contiguous, out_stride apart; must not overlap inputs.
/// \cost 2 rows depth width flops; no heap.
template <typename Scalar>
void panel_product(const Scalar* coefficients, Index row_stride, Index col_stride, Index rows,
                   Index depth, const Scalar* panel, Index panel_stride, Index width, Scalar* out,
                   Index out_stride, bool accumulate) {
  Index i = 0;
  for (; i + 4 <= rows; i += 4)
    detail::product_rows<4>(coefficients + i * row_stride, row_stride, col_stride, depth, panel,
                            panel_stride, width, out + i * out_stride, out_stride, accumulate);
  for (; i < rows; ++i)
    detail::product_rows<1>(coefficients + i * row_stride, row_stride, col_stride, depth, panel,
                            panel_stride, width, out + i * out_stride, out_stride, accumulate);
}

/// out += L R^T, all dot products of the rows of two panels.
/// \param left, right  (rows, width) and (cols, width), rows contiguous.
/// \param[in,out] out  (rows, cols), element (i, k) at i row_stride + k col_stride.
/// \cost 2 rows cols width flops; no heap.
template <typename Scalar>
void panel_dots(const Scalar* left, Index left_stride, Index rows, const Scalar* right,
                Index right_stride, Index cols, Index width, Scalar* out, Index row_stride,
                Index col_stride) {
  Index k = 0;
  const auto column_block = [&](auto kCols) {
    Index i = 0;
    for (; i + 4 <= rows; i += 4)
      detail::dot_rows<4, kCols>(left + i * left_stride, left_stride, right + k * right_stride,
                                 right_stride, width, out + i * row_stride + k * col_stride,
                                 row_stride, col_stride);
    for (; i < rows; ++i)
      detail::dot_rows<1, kCols>(left + i * left_stride, left_stride, right + k * right_stride,
                                 right_stride, width, out + i * row_stride + k * col_stride,
                                 row_stride, col_stride);
  };
  for (; k + 4 <= cols; k += 4) column_block(std::integral_constant<Index, 4>{});
  for (; k < cols; ++k) column_block(std::integral_constant<Index, 1>{});
}

LORAPRO_NAMESPACE_END

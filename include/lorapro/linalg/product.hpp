// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/linalg/packet.hpp>

#include <type_traits>  // std::integral_constant

LORAPRO_NAMESPACE_BEGIN

/// \file
/// The small products that everything here is made of. Eigen's own products are not used in
/// kernels: they allocate their packing buffers, and a user's -fopenmp would change how they are
/// split and hence the bits.

/// A product of coefficients (rows, depth) and a panel (depth, width), whose rows are these strides
/// apart. Stride is Index, or a constant.
template <typename Scalar, typename Stride = Index>
struct ProductTerm {
  const Scalar* coefficients;
  Stride row_stride;
  const Scalar* panel;
  Stride panel_stride;
};

namespace detail {

LORAPRO_PACKET_ARGUMENTS_BEGIN

/// The largest register tile of a product.
template <typename Scalar>
struct ProductTile {
  static constexpr bool kManyRegisters = Packets<Scalar>::kRegisters >= 32;
  static constexpr Index kRows = kManyRegisters ? 8 : 4;
#ifdef EIGEN_VECTORIZE_FMA
  static constexpr Index kPackets = 3;
#else
  // A product that waits to be added needs a register of its own.
  static constexpr Index kPackets = kManyRegisters ? 3 : 2;
#endif
};

/// A register tile of the sum of kTerms products: kRows rows, kPackets packets, from column j.
/// Stride, ColStride (from coefficient to coefficient of a row) and Depth are Index, or constants:
/// small tiles are bound by these steps.
template <Index kRows, Index kPackets, typename Packet, typename Scalar, typename Stride,
          Index kTerms, typename ColStride, typename Depth>
LORAPRO_ALWAYS_INLINE void product_tile(const ProductTerm<Scalar, Stride> (&terms)[kTerms],
                                        Index first_row, Index j, ColStride col_stride, Depth depth,
                                        Scalar* out, Index out_stride, bool accumulate) {
  constexpr Index kSize = Eigen::internal::unpacket_traits<Packet>::size;
  using Eigen::internal::ploadu;
  using Eigen::internal::pset1;
  Packet sum[kRows][kPackets];
  LORAPRO_UNROLL
  for (Index i = 0; i < kRows; ++i) {
    LORAPRO_UNROLL
    for (Index p = 0; p < kPackets; ++p)
      sum[i][p] =
          accumulate ? ploadu<Packet>(out + i * out_stride + p * kSize) : pset1<Packet>(Scalar(0));
  }
  LORAPRO_UNROLL
  for (Index t = 0; t < kTerms; ++t) {
    const Stride row_stride = terms[t].row_stride, panel_stride = terms[t].panel_stride;
    const Scalar* const coefficients = terms[t].coefficients + first_row * row_stride;
    const Scalar* const panel = terms[t].panel + j;
    const auto step = [&](Index k) {
      Packet row[kPackets];
      LORAPRO_UNROLL
      for (Index p = 0; p < kPackets; ++p)
        row[p] = in_register(ploadu<Packet>(panel + k * panel_stride + p * kSize));
      LORAPRO_UNROLL
      for (Index i = 0; i < kRows; ++i) {
        const auto c = pset1<Packet>(coefficients[i * row_stride + k * col_stride]);
        LORAPRO_UNROLL
        for (Index p = 0; p < kPackets; ++p)
          sum[i][p] = Eigen::internal::pmadd(c, row[p], sum[i][p]);
      }
    };
    if constexpr (std::is_same_v<Depth, Index>) {
      for (Index k = 0; k < depth; ++k) step(k);
    } else {
      constexpr Index kDepth = Depth::value;
      LORAPRO_UNROLL
      for (Index k = 0; k < kDepth; ++k) step(k);
    }
  }
  LORAPRO_UNROLL
  for (Index i = 0; i < kRows; ++i) {
    LORAPRO_UNROLL
    for (Index p = 0; p < kPackets; ++p)
      Eigen::internal::pstoreu(out + i * out_stride + p * kSize, sum[i][p]);
  }
}

/// The sum of kTerms products: columns in wide register tiles, then in single packets, then in ever
/// shorter ones down to scalars; of each all rows, so that short rows cost no call.
template <typename Scalar, Index kTerms, typename ColStride>
void product_sum(const ProductTerm<Scalar> (&terms)[kTerms], ColStride col_stride, Index rows,
                 Index depth, Index width, Scalar* out, Index out_stride, bool accumulate) {
  using Full = typename Packets<Scalar>::Packet;
  using Half = typename Eigen::internal::unpacket_traits<Full>::half;
  using Quarter = typename Eigen::internal::unpacket_traits<Half>::half;
  constexpr Index kSize = Packets<Scalar>::kSize;
  constexpr Index kBlock = ProductTile<Scalar>::kRows, kWide = ProductTile<Scalar>::kPackets;
  Index j = 0;
  const auto sweep = [&](auto packet, auto packets) {
    using Packet = decltype(packet);
    constexpr Index kPackets = decltype(packets)::value;
    constexpr Index kCols = kPackets * Eigen::internal::unpacket_traits<Packet>::size;
    for (; j + kCols <= width; j += kCols) {
      Index i = 0;
      for (; i + kBlock <= rows; i += kBlock)
        product_tile<kBlock, kPackets, Packet>(terms, i, j, col_stride, depth,
                                               out + i * out_stride + j, out_stride, accumulate);
      for (; i < rows; ++i)
        product_tile<1, kPackets, Packet>(terms, i, j, col_stride, depth, out + i * out_stride + j,
                                          out_stride, accumulate);
    }
  };
  using One = std::integral_constant<Index, 1>;
  sweep(Full{}, std::integral_constant<Index, kWide>{});
  if constexpr (kWide > 2) sweep(Full{}, std::integral_constant<Index, 2>{});
  sweep(Full{}, One{});
  if constexpr (kSize > 2 && !std::is_same_v<Half, Full>) sweep(Half{}, One{});
  if constexpr (kSize > 4 && !std::is_same_v<Quarter, Half>) sweep(Quarter{}, One{});
  sweep(Scalar{}, One{});
}

/// The same where everything is kRank wide and contiguous but the rows of the output. \pre a power
/// of two.
template <Index kRank, typename Scalar, Index kTerms>
void square_product_sum(const ProductTerm<Scalar> (&terms)[kTerms], Index rows, Scalar* out,
                        Index out_stride) {
  using Full = typename Packets<Scalar>::Packet;
  using Half = typename Eigen::internal::unpacket_traits<Full>::half;
  using Packet = std::conditional_t<(kRank < Packets<Scalar>::kSize), Half, Full>;
  constexpr Index kSize = Eigen::internal::unpacket_traits<Packet>::size;
  constexpr Index kPackets = kRank > kSize ? 2 : 1, kRows = ProductTile<Scalar>::kRows;
  using Constant = std::integral_constant<Index, kRank>;
  ProductTerm<Scalar, Constant> constant[kTerms];
  for (Index t = 0; t < kTerms; ++t) constant[t] = {terms[t].coefficients, {}, terms[t].panel, {}};
  for (Index j = 0; j < kRank; j += kPackets * kSize) {
    const auto sweep = [&](Index& i, auto block) {
      constexpr Index kBlock = decltype(block)::value;
      for (; i + kBlock <= rows; i += kBlock)
        product_tile<kBlock, kPackets, Packet>(constant, i, j, std::integral_constant<Index, 1>{},
                                               Constant{}, out + i * out_stride + j, out_stride,
                                               false);
    };
    Index i = 0;
    sweep(i, std::integral_constant<Index, kRows>{});
    sweep(i, std::integral_constant<Index, 1>{});
  }
}

LORAPRO_PACKET_ARGUMENTS_END

/// The largest register tile of dot products.
template <typename Scalar>
struct DotTile {
  static constexpr Index kRows = 4, kCols = ProductTile<Scalar>::kManyRegisters ? 4 : 2;
};

/// kRows x kCols dot products of rows.
template <Index kRows, Index kCols, typename Scalar>
void dot_rows(const Scalar* left, Index left_stride, const Scalar* right, Index right_stride,
              Index width, Scalar* out, Index row_stride, Index col_stride) {
  using P = Packets<Scalar>;
  typename P::Packet sum[kRows][kCols];
  LORAPRO_UNROLL
  for (Index i = 0; i < kRows; ++i) {
    LORAPRO_UNROLL
    for (Index k = 0; k < kCols; ++k) sum[i][k] = P::set(0);
  }
  Index j = 0;
  for (; j + P::kSize <= width; j += P::kSize) {
    typename P::Packet l[kRows];
    LORAPRO_UNROLL
    for (Index i = 0; i < kRows; ++i) l[i] = P::load(left + i * left_stride + j);
    LORAPRO_UNROLL
    for (Index k = 0; k < kCols; ++k) {
      const auto r = in_register(P::load(right + k * right_stride + j));
      LORAPRO_UNROLL
      for (Index i = 0; i < kRows; ++i) sum[i][k] = P::fma(l[i], r, sum[i][k]);
    }
  }
  LORAPRO_UNROLL
  for (Index i = 0; i < kRows; ++i) {
    LORAPRO_UNROLL
    for (Index k = 0; k < kCols; ++k) {
      Scalar total = P::sum(sum[i][k]);
      for (Index t = j; t < width; ++t)
        total += left[i * left_stride + t] * right[k * right_stride + t];
      out[i * row_stride + k * col_stride] += total;
    }
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
  const ProductTerm<Scalar> terms[] = {{coefficients, row_stride, panel, panel_stride}};
  if (col_stride == 1) {
    detail::product_sum(terms, std::integral_constant<Index, 1>{}, rows, depth, width, out,
                        out_stride, accumulate);
  } else {
    detail::product_sum(terms, col_stride, rows, depth, width, out, out_stride, accumulate);
  }
}

/// out = C1 panel1 + C2 panel2 in one pass; rows of coefficients and of panels contiguous.
/// \param[out] out  (rows, width), rows contiguous, out_stride apart; must not overlap inputs.
/// \cost 4 rows depth width flops; no heap.
template <typename Scalar>
void panel_product_sum(const ProductTerm<Scalar>& first, const ProductTerm<Scalar>& second,
                       Index rows, Index depth, Index width, Scalar* out, Index out_stride) {
  const ProductTerm<Scalar> terms[] = {first, second};
  bool square = depth == width;
  for (const auto& term : terms)
    square = square && term.row_stride == depth && term.panel_stride == depth;
  if (square && depth == 8) return detail::square_product_sum<8>(terms, rows, out, out_stride);
  if (square && depth == 16) return detail::square_product_sum<16>(terms, rows, out, out_stride);
  detail::product_sum(terms, std::integral_constant<Index, 1>{}, rows, depth, width, out,
                      out_stride, false);
}

/// out += L R^T, all dot products of the rows of two panels.
/// \param left, right  (rows, width) and (cols, width), rows contiguous.
/// \param[in,out] out  (rows, cols), element (i, k) at i row_stride + k col_stride.
/// \cost 2 rows cols width flops; no heap.
template <typename Scalar>
void panel_dots(const Scalar* left, Index left_stride, Index rows, const Scalar* right,
                Index right_stride, Index cols, Index width, Scalar* out, Index row_stride,
                Index col_stride) {
  using Tile = detail::DotTile<Scalar>;
  Index k = 0;
  const auto columns = [&](auto block) {
    constexpr Index kCols = decltype(block)::value;
    for (; k + kCols <= cols; k += kCols) {
      Index i = 0;
      const auto sweep = [&](auto row_block) {
        constexpr Index kRows = decltype(row_block)::value;
        for (; i + kRows <= rows; i += kRows)
          detail::dot_rows<kRows, kCols>(
              left + i * left_stride, left_stride, right + k * right_stride, right_stride, width,
              out + i * row_stride + k * col_stride, row_stride, col_stride);
      };
      sweep(std::integral_constant<Index, Tile::kRows>{});
      sweep(std::integral_constant<Index, 1>{});
    }
  };
  columns(std::integral_constant<Index, Tile::kCols>{});
  columns(std::integral_constant<Index, 1>{});
}

LORAPRO_NAMESPACE_END

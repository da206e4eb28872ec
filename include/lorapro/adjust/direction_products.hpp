// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/moment_tiles.hpp>

LORAPRO_NAMESPACE_BEGIN

/// A strip of the direction H, kGroup rows of tiles high: the tiles of a column of tiles one after
/// the other, then the next column. A column of tiles fits a first-level cache, and so does a row.
template <typename Scalar>
struct DirectionStrip {
  using Tile = TileShape<Scalar>;

  Scalar* values;
  Index height;  ///< rows of tiles, at most kGroup
  Index width;   ///< columns of tiles

  static Index size(Index col_tiles) { return col_tiles * Tile::kGroup * Tile::kSize; }
  Scalar* tile(Index row_tile, Index col_tile) const {
    return values + (col_tile * Tile::kGroup + row_tile) * Tile::kSize;
  }
};

namespace detail {

/// \p kRanks rows of hA over one column of tiles: sums in registers, loaded and stored once.
/// \param rows  B^T of the first row tile from row k on; the next row tile is row_stride further.
template <Index kRanks, typename Scalar>
LORAPRO_ALWAYS_INLINE void add_rows_of_hA(const DirectionStrip<Scalar>& direction, Index col_tile,
                                          const Scalar* rows, Index row_stride, Scalar* back_A) {
  using Tile = TileShape<Scalar>;
  using P = Packets<Scalar>;
  constexpr Index kPackets = Tile::kPackets;
  typename P::Packet sum[kRanks][kPackets];
  LORAPRO_UNROLL
  for (Index q = 0; q < kRanks; ++q) {
    LORAPRO_UNROLL
    for (Index p = 0; p < kPackets; ++p)
      sum[q][p] = P::load(back_A + q * Tile::kCols + p * P::kSize);
  }
  for (Index row_tile = 0; row_tile < direction.height; ++row_tile) {
    const Scalar* const b = rows + row_tile * row_stride;
    const Scalar* const h = direction.tile(row_tile, col_tile);
    LORAPRO_NO_UNROLL
    for (Index i = 0; i < Tile::kRows; ++i) {
      typename P::Packet row[kPackets];
      LORAPRO_UNROLL
      for (Index p = 0; p < kPackets; ++p)
        row[p] = in_register(P::load(h + i * Tile::kCols + p * P::kSize));
      LORAPRO_UNROLL
      for (Index q = 0; q < kRanks; ++q) {
        const auto factor = P::set(b[q * Tile::kRows + i]);
        LORAPRO_UNROLL
        for (Index p = 0; p < kPackets; ++p) sum[q][p] = P::fma(factor, row[p], sum[q][p]);
      }
    }
  }
  LORAPRO_UNROLL
  for (Index q = 0; q < kRanks; ++q) {
    LORAPRO_UNROLL
    for (Index p = 0; p < kPackets; ++p)
      P::store(back_A + q * Tile::kCols + p * P::kSize, sum[q][p]);
  }
}

/// \p kRanks rows of hB^T over one row of tiles: sums in registers, over their lanes at the end.
/// \param cols  A of the first column tile from row k on; the next one is col_stride further.
template <Index kRanks, typename Scalar>
LORAPRO_ALWAYS_INLINE void rows_of_hB(const DirectionStrip<Scalar>& direction, Index row_tile,
                                      const Scalar* cols, Index col_stride, Scalar* back_B) {
  using Tile = TileShape<Scalar>;
  using P = Packets<Scalar>;
  typename P::Packet sum[kRanks][Tile::kRows];
  LORAPRO_UNROLL
  for (Index q = 0; q < kRanks; ++q) {
    LORAPRO_UNROLL
    for (Index i = 0; i < Tile::kRows; ++i) sum[q][i] = P::set(Scalar(0));
  }
  for (Index col_tile = 0; col_tile < direction.width; ++col_tile) {
    const Scalar* const a = cols + col_tile * col_stride;
    const Scalar* const h = direction.tile(row_tile, col_tile);
    LORAPRO_NO_UNROLL
    for (Index p = 0; p < Tile::kPackets; ++p) {
      typename P::Packet factor[kRanks];
      LORAPRO_UNROLL
      for (Index q = 0; q < kRanks; ++q)
        factor[q] = in_register(P::load(a + q * Tile::kCols + p * P::kSize));
      LORAPRO_UNROLL
      for (Index i = 0; i < Tile::kRows; ++i) {
        const auto row = in_register(P::load(h + i * Tile::kCols + p * P::kSize));
        LORAPRO_UNROLL
        for (Index q = 0; q < kRanks; ++q) sum[q][i] = P::fma(factor[q], row, sum[q][i]);
      }
    }
  }
  LORAPRO_UNROLL
  for (Index q = 0; q < kRanks; ++q) {
    LORAPRO_UNROLL
    for (Index i = 0; i < Tile::kRows; ++i) back_B[q * Tile::kRows + i] = P::sum(sum[q][i]);
  }
}

}  // namespace detail

/// hA += B^T H for one column of tiles of a strip of H.
/// \param rows  per row tile (2 rank, kRows), B^T in its upper half.
/// \param[in,out] back_A  (rank, kCols).
/// \cost 2 r flops per element of H.
template <typename Scalar>
void add_product_A(const DirectionStrip<Scalar>& direction, Index col_tile, Index rank,
                   const Scalar* rows, Scalar* back_A) {
  using Tile = TileShape<Scalar>;
  Index k = 0;
  const auto take = [&](auto ranks) {
    detail::add_rows_of_hA<decltype(ranks)::value>(direction, col_tile, rows + k * Tile::kRows,
                                                   2 * rank * Tile::kRows,
                                                   back_A + k * Tile::kCols);
    k += decltype(ranks)::value;
  };
  while (rank - k >= Tile::kRows) take(std::integral_constant<Index, Tile::kRows>());
  if (rank - k >= 4) take(std::integral_constant<Index, 4>());
  if (rank - k >= 2) take(std::integral_constant<Index, 2>());
  if (rank - k >= 1) take(std::integral_constant<Index, 1>());
}

/// hB^T = A H^T for one row of tiles of a strip of H.
/// \param cols  per column tile (2 rank, kCols), A in its lower half.
/// \param[out] back_B  (rank, kRows).
/// \cost 2 r flops per element of H.
template <typename Scalar>
void product_B(const DirectionStrip<Scalar>& direction, Index row_tile, Index rank,
               const Scalar* cols, Scalar* back_B) {
  using Tile = TileShape<Scalar>;
  Index k = 0;
  const auto take = [&](auto ranks) {
    detail::rows_of_hB<decltype(ranks)::value>(direction, row_tile, cols + (rank + k) * Tile::kCols,
                                               2 * rank * Tile::kCols, back_B + k * Tile::kRows);
    k += decltype(ranks)::value;
  };
  // What is left over goes first and in twos: a single row would load more than it computes.
  while ((rank - k) % Tile::kPackets != 0 && rank - k >= 2)
    take(std::integral_constant<Index, 2>());
  while (rank - k >= Tile::kPackets) take(std::integral_constant<Index, Tile::kPackets>());
  if (rank - k >= 1) take(std::integral_constant<Index, 1>());
}

LORAPRO_NAMESPACE_END

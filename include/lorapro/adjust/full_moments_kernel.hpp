// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/adam.hpp>
#include <lorapro/adjust/moment_tiles.hpp>

#include <algorithm>  // std::fill, std::min

LORAPRO_NAMESPACE_BEGIN

/// What the pass reads and writes of one factor, packed for it.
///
///     B side, per row tile of W:   (2 rank, kRows)   B^T, then dB^T     broadcast in the kernel
///     A side, per column tile:     (2 rank, kCols)   dA, then A         loaded in the kernel
///
/// and the products with the direction, hA per column tile (rank, kCols), hB per row tile
/// (rank, kRows). Edges are padded with zeros.
template <typename Scalar>
struct FullMomentsBuffers {
  using Tile = TileShape<Scalar>;

  Scalar* rows;    ///< B side
  Scalar* cols;    ///< A side
  Scalar* back_A;  ///< out: hA = B^T H, rank first
  Scalar* back_B;  ///< out: hB^T = A H^T, rank first

  static Index rows_size(Index rank, Index out_features) {
    return 2 * rank * Tile::row_tiles(out_features) * Tile::kRows;
  }
  static Index cols_size(Index rank, Index in_features) {
    return 2 * rank * Tile::col_tiles(in_features) * Tile::kCols;
  }
  static Index size(Index rank, Index out_features, Index in_features) {
    return 3 * (rows_size(rank, out_features) + cols_size(rank, in_features)) / 2;
  }

  FullMomentsBuffers(Scalar* memory, Index rank, Index out_features, Index in_features)
      : rows(memory),
        cols(rows + rows_size(rank, out_features)),
        back_A(cols + cols_size(rank, in_features)),
        back_B(back_A + cols_size(rank, in_features) / 2) {}
};

/// Constants of the pass, folded: the tile accumulates (1 - beta1) E, and the direction comes out
/// as H / direction_scale.
template <typename Scalar>
struct FullMomentsConstants {
  Scalar beta1, beta2;
  Scalar square;           ///< (1 - beta2) / (1 - beta1)^2
  Scalar eps;              ///< eps sqrt(1 - beta2^t)
  double gradient_scale;   ///< 1 - beta1: to fold into dA and dB, with s
  double direction_scale;  ///< sqrt(1 - beta2^t) / (1 - beta1^t): to fold into hA and hB, with s

  FullMomentsConstants(double beta_1, double beta_2, double epsilon, std::int64_t step)
      : beta1(static_cast<Scalar>(beta_1)),
        beta2(static_cast<Scalar>(beta_2)),
        square(static_cast<Scalar>((1 - beta_2) / ((1 - beta_1) * (1 - beta_1)))) {
    const auto t = static_cast<double>(step);
    const double correction = std::sqrt(1 - std::pow(beta_2, t));
    eps = static_cast<Scalar>(epsilon * correction);
    gradient_scale = 1 - beta_1;
    direction_scale = correction / (1 - std::pow(beta_1, t));
  }
};

namespace detail {

/// Asks for \p kCount elements that will be read and written soon.
template <Index kCount, typename T>
LORAPRO_ALWAYS_INLINE void prefetch_tile(const T* values) {
#if defined(__GNUC__)
  constexpr Index kLine = 64 / static_cast<Index>(sizeof(T));
  for (Index i = 0; i < kCount; i += kLine) __builtin_prefetch(values + i, 1, 3);
#endif
}

/// One register tile: E, Adam, H, and H's products, without leaving registers in between.
/// \param rows, cols  the tile's packed B and A sides.
/// \param moments     exp_avg, then exp_avg_sq of the tile.
/// \param ahead       the moments of a tile that comes soon: the hardware does not see that far.
/// \param row_keys    of the tile's rows, for stochastic rounding.
/// \param[in,out] back_A  (rank, kCols) += B^T H
/// \param[in,out] back_B  (rank, kRows) packets += A H^T, to be summed over their lanes
template <typename Scalar, typename Storage>
LORAPRO_ALWAYS_INLINE void full_moments_tile(const FullMomentsConstants<Scalar>& constants,
                                             Index rank, const Scalar* rows, const Scalar* cols,
                                             Storage* moments, const Storage* ahead,
                                             const std::uint64_t* row_keys, std::uint32_t col,
                                             Scalar* back_A, Scalar* back_B) {
  using Tile = TileShape<Scalar>;
  using P = Packets<Scalar>;
  using Lanes = MomentLanes<Scalar, Storage>;
  constexpr Index kRows = Tile::kRows, kPackets = Tile::kPackets, kCols = Tile::kCols;
  prefetch_tile<2 * Tile::kSize>(ahead);
  typename P::Packet tile[kRows][kPackets];
  LORAPRO_UNROLL
  for (Index i = 0; i < kRows; ++i) {
    LORAPRO_UNROLL
    for (Index p = 0; p < kPackets; ++p) tile[i][p] = P::set(Scalar(0));
  }
  for (Index k = 0; k < 2 * rank; ++k) {
    typename P::Packet c[kPackets];
    LORAPRO_UNROLL
    for (Index p = 0; p < kPackets; ++p) c[p] = P::load(cols + k * kCols + p * P::kSize);
    LORAPRO_UNROLL
    for (Index i = 0; i < kRows; ++i) {
      const auto b = P::set(rows[k * kRows + i]);
      LORAPRO_UNROLL
      for (Index p = 0; p < kPackets; ++p) tile[i][p] = P::fma(b, c[p], tile[i][p]);
    }
  }

  const auto beta1 = P::set(constants.beta1), beta2 = P::set(constants.beta2);
  const auto square = P::set(constants.square), eps = P::set(constants.eps);
  LORAPRO_UNROLL
  for (Index i = 0; i < kRows; ++i) {
    LORAPRO_UNROLL
    for (Index p = 0; p < kPackets; ++p) {
      Storage* const exp_avg = moments + i * kCols + p * P::kSize;
      Storage* const exp_avg_sq = exp_avg + Tile::kSize;
      const auto m = P::fma(beta1, Lanes::load(exp_avg), tile[i][p]);
      const auto v =
          P::fma(beta2, Lanes::load(exp_avg_sq), P::mul(P::mul(square, tile[i][p]), tile[i][p]));
      Lanes::store(exp_avg, m);
      Lanes::store_stochastic(exp_avg_sq, v, row_keys[i],
                              col + static_cast<std::uint32_t>(p * P::kSize));
      tile[i][p] = normalize(m, v, eps);
    }
  }

  const Scalar* const A = cols + rank * kCols;
  for (Index k = 0; k < rank; ++k) {
    typename P::Packet sum[kPackets];
    LORAPRO_UNROLL
    for (Index p = 0; p < kPackets; ++p) sum[p] = P::load(back_A + k * kCols + p * P::kSize);
    LORAPRO_UNROLL
    for (Index i = 0; i < kRows; ++i) {
      const auto b = P::set(rows[k * kRows + i]);
      LORAPRO_UNROLL
      for (Index p = 0; p < kPackets; ++p) sum[p] = P::fma(b, tile[i][p], sum[p]);
    }
    LORAPRO_UNROLL
    for (Index p = 0; p < kPackets; ++p) P::store(back_A + k * kCols + p * P::kSize, sum[p]);
  }
  for (Index k = 0; k < rank; ++k) {
    typename P::Packet a[kPackets];
    LORAPRO_UNROLL
    for (Index p = 0; p < kPackets; ++p) a[p] = P::load(A + k * kCols + p * P::kSize);
    LORAPRO_UNROLL
    for (Index i = 0; i < kRows; ++i) {
      Scalar* const target = back_B + (k * kRows + i) * P::kSize;
      auto sum = P::load(target);
      LORAPRO_UNROLL
      for (Index p = 0; p < kPackets; ++p) sum = P::fma(a[p], tile[i][p], sum);
      P::store(target, sum);
    }
  }
}

}  // namespace detail

/// Columns of W, in tiles, that one unit of work covers: enough that the lane sums of hB cost
/// little, few enough that the A side of the block stays in an L2 cache. A function of the shape
/// alone, as the order of summation is.
template <typename Scalar>
Index full_moments_block_tiles(Index rank, Index in_features) {
  using Tile = TileShape<Scalar>;
  constexpr Index kCacheBytes = 256 * 1024;
  const Index bytes = 3 * rank * Tile::kCols * static_cast<Index>(sizeof(Scalar));
  const Index fitting = std::max<Index>(1, kCacheBytes / bytes);
  // At least eight blocks for threads to share, where the matrix is wide enough.
  const Index shared = std::max<Index>(2, Tile::col_tiles(in_features) / 8);
  return std::min(fitting, shared);
}

/// One block of columns of the pass over the moments of a pair. For every tile of W,
///
///     E = s (B dA + dB A);   Adam on (exp_avg, exp_avg_sq) with E;   H = m_hat / (sqrt(v_hat) +
///     eps); hA += B^T H;           hB += H A^T
///
/// so that neither the equivalent gradient E nor the direction H exists in memory. Blocks may run
/// at the same time if wait_for_turn(row_tile) returns only when the block before has finished with
/// that row of tiles: hB is then summed in the order of the blocks, whatever the number of threads.
/// \param block, block_tiles  which block, of full_moments_block_tiles column tiles each.
/// \param lanes          scratch, rank kRows packets.
/// \param wait_for_turn  called as wait_for_turn(row_tile) before hB of a row of tiles is touched.
/// \param finished       called as finished(row_tile) after.
/// \cost 8 r m n + 14 m n flops over all blocks; reads and writes each moment once; no heap.
/// \ref arXiv:2407.18242v3, algorithm 2, the part between its two projections.
template <typename Scalar, typename Storage, typename Wait, typename Finished>
void full_moments_block(const FullMomentsConstants<Scalar>& constants, Index rank, Index block,
                        Index block_tiles, MomentTiles<Scalar, Storage>& moments,
                        std::uint64_t rounding_key, const FullMomentsBuffers<Scalar>& buffers,
                        Scalar* lanes, const Wait& wait_for_turn, const Finished& finished) {
  using Tile = TileShape<Scalar>;
  using P = detail::Packets<Scalar>;
  const Index first = block * block_tiles;
  const Index last = std::min(first + block_tiles, Tile::col_tiles(moments.cols()));
  constexpr Index kTilesAhead = 4;
  const Index col_size = rank * Tile::kCols, row_size = rank * Tile::kRows;
  std::fill(buffers.back_A + first * col_size, buffers.back_A + last * col_size, Scalar(0));
  for (Index row_tile = 0; row_tile < Tile::row_tiles(moments.rows()); ++row_tile) {
    std::uint64_t row_keys[Tile::kRows];
    for (Index i = 0; i < Tile::kRows; ++i)
      row_keys[i] = row_key(rounding_key, row_tile * Tile::kRows + i);
    std::fill(lanes, lanes + row_size * P::kSize, Scalar(0));
    for (Index col_tile = first; col_tile < last; ++col_tile) {
      // Beyond the block's end, the first tiles of its next row (the last row asks for itself).
      const Index next = col_tile + kTilesAhead;
      const Index next_row =
          std::min(row_tile + (next < last ? 0 : 1), Tile::row_tiles(moments.rows()) - 1);
      detail::full_moments_tile(
          constants, rank, buffers.rows + row_tile * 2 * row_size,
          buffers.cols + col_tile * 2 * col_size, moments.tile(row_tile, col_tile),
          moments.tile(next_row, next < last ? next : first + (next - last) % (last - first)),
          row_keys, static_cast<std::uint32_t>(col_tile * Tile::kCols),
          buffers.back_A + col_tile * col_size, lanes);
    }
    wait_for_turn(row_tile);
    Scalar* const back_B = buffers.back_B + row_tile * row_size;
    for (Index k = 0; k < row_size; ++k) {
      const Scalar sum = P::sum(P::load(lanes + k * P::kSize));
      back_B[k] = block == 0 ? sum : back_B[k] + sum;
    }
    finished(row_tile);
  }
}

LORAPRO_NAMESPACE_END

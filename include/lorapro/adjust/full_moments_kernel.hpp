// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/adam.hpp>
#include <lorapro/adjust/direction_products.hpp>
#include <lorapro/adjust/full_moments_buffers.hpp>

#include <algorithm>  // std::fill, std::min

LORAPRO_NAMESPACE_BEGIN

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

/// Tells of a line that will be read and written soon.
LORAPRO_ALWAYS_INLINE void prefetch_line(const void* line) {
#if defined(__GNUC__)
  __builtin_prefetch(line, 1, 3);
#endif
}

/// tile += b c^T for one k: kRows values of the B side, kCols of the A side.
template <typename Scalar>
LORAPRO_ALWAYS_INLINE void add_outer_product(
    const Scalar* b, const Scalar* c,
    typename Packets<Scalar>::Packet (
        &tile)[TileShape<Scalar>::kRows][TileShape<Scalar>::kPackets]) {
  using Tile = TileShape<Scalar>;
  using P = Packets<Scalar>;
  typename P::Packet row[Tile::kPackets];
  LORAPRO_UNROLL
  for (Index p = 0; p < Tile::kPackets; ++p) row[p] = in_register(P::load(c + p * P::kSize));
  LORAPRO_UNROLL
  for (Index i = 0; i < Tile::kRows; ++i) {
    const auto factor = P::set(b[i]);
    LORAPRO_UNROLL
    for (Index p = 0; p < Tile::kPackets; ++p) tile[i][p] = P::fma(factor, row[p], tile[i][p]);
  }
}

/// What one register tile of the pass reads and writes.
template <typename Scalar, typename Storage>
struct FullMomentsTile {
  const Scalar* rows;    ///< its packed B side
  const Scalar* cols;    ///< its packed A side
  Storage* moments;      ///< exp_avg, then exp_avg_sq
  const Storage* ahead;  ///< of a tile that comes soon: the hardware does not see that far
  const std::uint64_t* pair_keys;  ///< of its pairs of rows, for stochastic rounding
  std::uint32_t col;               ///< its first column in W
  Scalar* direction;               ///< out: H, row-major
};

/// One register tile: E, Adam and the direction, without leaving registers in between.
template <typename Scalar, typename Storage>
LORAPRO_ALWAYS_INLINE void full_moments_tile(const FullMomentsConstants<Scalar>& constants,
                                             Index rank,
                                             const FullMomentsTile<Scalar, Storage>& of) {
  using Tile = TileShape<Scalar>;
  using P = Packets<Scalar>;
  using Lanes = MomentLanes<Scalar, Storage>;
  constexpr Index kRows = Tile::kRows, kPackets = Tile::kPackets, kCols = Tile::kCols;
  typename P::Packet tile[kRows][kPackets];
  LORAPRO_UNROLL
  for (Index i = 0; i < kRows; ++i) {
    LORAPRO_UNROLL
    for (Index p = 0; p < kPackets; ++p) tile[i][p] = P::set(Scalar(0));
  }
  // A few lines at a time: all at once would fill the buffers of outstanding misses.
  constexpr Index kLine = 64 / static_cast<Index>(sizeof(Storage));
  constexpr Index kLines = (2 * Tile::kSize + kLine - 1) / kLine,
                  kLinesPerStep = (kLines + 11) / 12;
  Index line = 0, k = 0;
  for (; k < 2 * rank && line < kLines; ++k) {
    LORAPRO_UNROLL
    for (Index next = 0; next < kLinesPerStep; ++next)
      prefetch_line(of.ahead + (line + next) * kLine);
    line += kLinesPerStep;
    add_outer_product<Scalar>(of.rows + k * kRows, of.cols + k * kCols, tile);
  }
  for (; line < kLines; ++line) prefetch_line(of.ahead + line * kLine);
  for (; k < 2 * rank; ++k)
    add_outer_product<Scalar>(of.rows + k * kRows, of.cols + k * kCols, tile);

  const auto beta1 = P::set(constants.beta1), beta2 = P::set(constants.beta2);
  const auto square = P::set(constants.square), eps = P::set(constants.eps);
  LORAPRO_UNROLL
  for (Index pair = 0; pair < kRows / 2; ++pair) {
    LORAPRO_UNROLL
    for (Index p = 0; p < kPackets; ++p) {
      const auto noise =
          Lanes::noise(of.pair_keys[pair], of.col + static_cast<std::uint32_t>(p * P::kSize));
      LORAPRO_UNROLL
      for (Index i = 2 * pair; i < 2 * pair + 2; ++i) {
        const auto& e = tile[i][p];
        const Index at = i * kCols + p * P::kSize;
        Storage* const exp_avg = of.moments + at;
        Storage* const exp_avg_sq = exp_avg + Tile::kSize;
        const auto m = P::fma(beta1, Lanes::load(exp_avg), e);
        const auto v = P::fma(beta2, Lanes::load(exp_avg_sq), P::mul(P::mul(square, e), e));
        Lanes::store(exp_avg, m);
        Lanes::store_stochastic(exp_avg_sq, v, noise, i % 2 != 0);
        P::store(of.direction + at, normalize(m, v, eps));
      }
    }
  }
}

}  // namespace detail

/// How a pair is cut into blocks of columns, the units of work of the pass: the same number of
/// columns each as far as possible. A function of the shape alone, as the order of summation is.
template <typename Scalar>
struct FullMomentsBlocks {
  using Tile = TileShape<Scalar>;
  static constexpr Index kMostTiles = 16;

  explicit FullMomentsBlocks(Index in_features) : tiles_(Tile::col_tiles(in_features)) {
    // A multiple of eight, which two, four or eight threads share evenly; of few enough tiles for
    // the A side to stay in a second-level cache, of two at least, since the lane sums of hB cost
    // as much as a tile.
    constexpr Index kThreads = 8;
    count_ = kThreads * ((tiles_ + kThreads * kMostTiles - 1) / (kThreads * kMostTiles));
    count_ = std::max<Index>(1, (std::min)(count_, tiles_ / 2));
  }
  Index count() const { return count_; }
  /// First column of tiles of a block, and of the one behind the last.
  Index first_tile(Index block) const { return block * tiles_ / count_; }

 private:
  Index tiles_;
  Index count_;
};

/// Scratch of a thread: a strip of H, and hB of its rows.
template <typename Scalar>
Index full_moments_scratch_size(Index rank) {
  using Tile = TileShape<Scalar>;
  return DirectionStrip<Scalar>::size(FullMomentsBlocks<Scalar>::kMostTiles) +
         rank * Tile::kGroup * Tile::kRows;
}

/// The pass over the moments of a pair, in blocks of columns. For every tile of W,
///
///     E = s (B dA + dB A)
///     exp_avg and exp_avg_sq by Adam with E
///     H = m_hat / (sqrt(v_hat) + eps)
///     hA += B^T H
///     hB += H A^T
///
/// so that neither the equivalent gradient E nor the direction H exists in memory, but for a strip
/// of H in the caches next to the core.
/// \cost 8 r m n + 14 m n flops over all blocks; reads and writes each moment once; no heap.
/// \ref arXiv:2407.18242v3, algorithm 2, the part between its two projections.
template <typename Scalar, typename Storage>
class FullMomentsPass {
 public:
  /// \param rounding_key  of this step's stochastic rounding.
  FullMomentsPass(const FullMomentsConstants<Scalar>& constants,
                  const FullMomentsBuffers<Scalar>& buffers, MomentTiles<Scalar, Storage>& moments,
                  std::uint64_t rounding_key)
      : constants_(constants), buffers_(buffers), moments_(moments), rounding_key_(rounding_key) {}

  /// One block, the columns of tiles [first, last). Blocks may run at the same time if
  /// wait_for_turn(group) returns only when the block before has finished with that group of rows of
  /// tiles: hB is then summed in the order of the blocks, whatever the number of threads.
  /// \param scratch        full_moments_scratch_size(rank) elements.
  /// \param wait_for_turn  called as wait_for_turn(group) before hB of a group is touched.
  /// \param finished       called as finished(group) after.
  template <typename Wait, typename Finished>
  void run(Index first, Index last, Scalar* scratch, const Wait& wait_for_turn,
           const Finished& finished) {
    const Index rank = buffers_.rank;
    const Index col_size = rank * Tile::kCols, row_size = rank * Tile::kRows;
    const Index groups = Tile::groups(moments_.rows());
    Scalar* const strip_B =
        scratch + DirectionStrip<Scalar>::size(FullMomentsBlocks<Scalar>::kMostTiles);
    std::fill(buffers_.back_A + first * col_size, buffers_.back_A + last * col_size, Scalar(0));
    for (Index group = 0; group < groups; ++group) {
      const Index first_row = group * Tile::kGroup, height = moments_.group_height(group);
      const DirectionStrip<Scalar> direction{scratch, height, last - first};
      take_group(group, first, direction);
      for (Index i = 0; i < height; ++i)
        product_B(direction, i, rank, buffers_.cols + first * 2 * col_size, strip_B + i * row_size);
      wait_for_turn(group);
      Scalar* const back_B = buffers_.back_B + first_row * row_size;
      for (Index k = 0; k < height * row_size; ++k)
        back_B[k] = first == 0 ? strip_B[k] : back_B[k] + strip_B[k];
      finished(group);
    }
  }

 private:
  using Tile = TileShape<Scalar>;

  /// The tiles of a group of rows within a block, and what they add to hA.
  LORAPRO_ALWAYS_INLINE void take_group(Index group, Index first,
                                        const DirectionStrip<Scalar>& direction) {
    constexpr Index kTilesAhead = 4;
    const Index rank = buffers_.rank, height = direction.height;
    const Index col_size = rank * Tile::kCols, row_size = rank * Tile::kRows;
    const Index first_row = group * Tile::kGroup, last = first + direction.width;
    std::uint64_t pair_keys[Tile::kGroup * Tile::kRows / 2];
    for (Index i = 0; i < height * Tile::kRows / 2; ++i)
      pair_keys[i] = row_pair_key(rounding_key_, first_row * Tile::kRows + 2 * i);
    const Scalar* const strip_rows = buffers_.rows + first_row * 2 * row_size;
    // Tiles of the group that are still to come within the block; behind the last one, the first
    // ones of the next group (the last group asks for itself).
    const Index next_group = (std::min)(group + 1, Tile::groups(moments_.rows()) - 1);
    const Storage* const behind = moments_.tile(next_group * Tile::kGroup, first);
    const Index count_behind = direction.width * moments_.group_height(next_group);
    Index to_come = direction.width * height;
    for (Index col = first; col < last; ++col) {
      for (Index i = 0; i < height; ++i, --to_come) {
        Storage* const tile = moments_.tile(first_row + i, col);
        const Storage* const ahead =
            to_come > kTilesAhead
                ? tile + 2 * kTilesAhead * Tile::kSize
                : behind + 2 * ((kTilesAhead - to_come) % count_behind) * Tile::kSize;
        detail::full_moments_tile<Scalar, Storage>(
            constants_, rank,
            {strip_rows + i * 2 * row_size, buffers_.cols + col * 2 * col_size, tile, ahead,
             pair_keys + i * Tile::kRows / 2, static_cast<std::uint32_t>(col * Tile::kCols),
             direction.tile(i, col - first)});
      }
      add_product_A(direction, col - first, rank, strip_rows, buffers_.back_A + col * col_size);
    }
  }

  FullMomentsConstants<Scalar> constants_;
  FullMomentsBuffers<Scalar> buffers_;
  MomentTiles<Scalar, Storage>& moments_;
  std::uint64_t rounding_key_;
};

LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/moment_tiles.hpp>
#include <lorapro/adjust/packed_factor.hpp>
#include <lorapro/adjust/pair.hpp>

LORAPRO_NAMESPACE_BEGIN

/// What the pass over full moments (full_moments_kernel.hpp) reads and writes of a pair, packed for it.
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
  Index rank;

  static Index rows_size(Index rank, Index out_features) {
    return 2 * rank * Tile::row_tiles(out_features) * Tile::kRows;
  }
  static Index cols_size(Index rank, Index in_features) {
    return 2 * rank * Tile::col_tiles(in_features) * Tile::kCols;
  }
  static Index size(const PairShape& shape) {
    return 3 *
           (rows_size(shape.rank, shape.out_features) + cols_size(shape.rank, shape.in_features)) /
           2;
  }

  /// \param memory  size(shape) elements.
  FullMomentsBuffers(Scalar* memory, const PairShape& shape)
      : rows(memory),
        cols(rows + rows_size(shape.rank, shape.out_features)),
        back_A(cols + cols_size(shape.rank, shape.in_features)),
        back_B(back_A + cols_size(shape.rank, shape.in_features) / 2),
        rank(shape.rank) {}

  static constexpr Index tile_length(Side side) {
    return side == Side::A ? Tile::kCols : Tile::kRows;
  }
  PackedFactor<Scalar> packed(Side side) const {
    return {side == Side::A ? cols : rows, 2 * rank, tile_length(side)};
  }
  /// First rows of a factor and of its step among the packed ones.
  Index factor_row(Side side) const { return side == Side::A ? rank : 0; }
  Index step_row(Side side) const { return side == Side::A ? 0 : rank; }
  PackedFactor<Scalar> back(Side side) const {
    return {side == Side::A ? back_A : back_B, rank, tile_length(side)};
  }
};

LORAPRO_NAMESPACE_END

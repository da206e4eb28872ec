// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/buffer.hpp>
#include <lorapro/linalg/packet.hpp>

#include <algorithm>  // std::min

LORAPRO_NAMESPACE_BEGIN

/// Register tile of the full-moments kernel: kRows rows of kPackets packets. With the tile in
/// registers there is room for a row of packets and a broadcast value beside it: 24 + 4 of 32
/// registers, or 12 + 3 of 16.
template <typename Scalar>
struct TileShape {
  using P = detail::Packets<Scalar>;
  static constexpr Index kRows = P::kRegisters >= 32 ? 8 : 6;  // even: rounding_bits
  static constexpr Index kPackets = P::kRegisters >= 32 ? 3 : 2;
  static constexpr Index kCols = kPackets * P::kSize;
  static constexpr Index kSize = kRows * kCols;
  /// Rows of tiles that the kernel works on together.
  static constexpr Index kGroup = 4;

  static Index row_tiles(Index rows) { return (rows + kRows - 1) / kRows; }
  static Index col_tiles(Index cols) { return (cols + kCols - 1) / kCols; }
  static Index groups(Index rows) { return (row_tiles(rows) + kGroup - 1) / kGroup; }
};

/// exp_avg and exp_avg_sq of a pair, (rows, cols) each, in the order in which the kernel walks: of
/// each group of kGroup rows of tiles, one column of tiles after the other, the exp_avg of a tile
/// beside its exp_avg_sq, edges padded with zeros. One stream of memory, whatever the row stride of
/// W would be. Seen from outside, through StateTensor, both are row-major.
/// \tparam Scalar   computes; fixes the shape of a tile.
/// \tparam Storage  Scalar or bfloat16.
template <typename Scalar, typename Storage>
class MomentTiles {
 public:
  using Tile = TileShape<Scalar>;
  /// Which of the two moments.
  enum Moment : Index { kExpAvg = 0, kExpAvgSq = 1 };

  MomentTiles(Index rows, Index cols)
      : rows_(rows),
        cols_(cols),
        values_(2 * Tile::row_tiles(rows) * Tile::col_tiles(cols) * Tile::kSize) {}

  Index rows() const { return rows_; }
  Index cols() const { return cols_; }

  /// Rows of tiles in a group: Tile::kGroup, or what is left for the last one.
  Index group_height(Index group) const {
    return (std::min)(Tile::kGroup, Tile::row_tiles(rows_) - group * Tile::kGroup);
  }

  /// The exp_avg of a tile; its exp_avg_sq follows Tile::kSize elements later.
  Storage* tile(Index row_tile, Index col_tile) {
    const Index group = row_tile / Tile::kGroup;
    const Index before = group * Tile::kGroup * Tile::col_tiles(cols_);
    return values_.data() +
           2 * (before + col_tile * group_height(group) + row_tile % Tile::kGroup) * Tile::kSize;
  }

  Storage& at(Moment moment, Index row, Index col) {
    return tile(row / Tile::kRows,
                col / Tile::kCols)[moment * Tile::kSize + row % Tile::kRows * Tile::kCols +
                                   col % Tile::kCols];
  }

 private:
  Index rows_;
  Index cols_;
  Buffer<Storage> values_;
};

LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adjust/moment_tiles.hpp>

#include <set>      // std::set
#include <utility>  // std::move

#include "support/catch.hpp"

namespace {

using lorapro::bfloat16;
using lorapro::Index;
using lorapro::MomentTiles;
using lorapro::TileShape;

TEMPLATE_TEST_CASE("a tile fits the registers", "[moment_tiles]", float, double) {
  using Tile = TileShape<TestType>;
  using P = lorapro::detail::Packets<TestType>;
  // A row of packets and a broadcast value beside the tile.
  CHECK(Tile::kRows * Tile::kPackets + Tile::kPackets + 1 <= P::kRegisters);
  CHECK(Tile::kCols == Tile::kPackets * P::kSize);
  CHECK(Tile::kSize == Tile::kRows * Tile::kCols);
  for (const Index size : {1, 5, 6, 7, 8, 9, 100}) {
    CHECK(Tile::row_tiles(size) * Tile::kRows >= size);
    CHECK((Tile::row_tiles(size) - 1) * Tile::kRows < size);
    CHECK(Tile::col_tiles(size) * Tile::kCols >= size);
    CHECK((Tile::col_tiles(size) - 1) * Tile::kCols < size);
  }
}

template <typename Scalar, typename Storage>
void check_addresses(Index rows, Index cols) {
  using Moments = MomentTiles<Scalar, Storage>;
  using Tile = TileShape<Scalar>;
  CAPTURE(rows, cols);
  Moments moments(rows, cols);
  CHECK(moments.rows() == rows);
  CHECK(moments.cols() == cols);
  const Index tiles = Tile::row_tiles(rows) * Tile::col_tiles(cols);
  Storage* const begin = moments.tile(0, 0);
  std::set<const Storage*> seen;
  int wrong = 0;
  for (const auto moment : {Moments::kExpAvg, Moments::kExpAvgSq})
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < cols; ++j) {
        Storage& value = moments.at(moment, i, j);
        seen.insert(&value);
        wrong += &value < begin || &value >= begin + 2 * tiles * Tile::kSize;
        wrong += static_cast<float>(value) != 0.0F;
        // Row-major within its tile, exp_avg_sq one tile further.
        const Storage* const tile = moments.tile(i / Tile::kRows, j / Tile::kCols);
        wrong +=
            &value - tile != moment * Tile::kSize + i % Tile::kRows * Tile::kCols + j % Tile::kCols;
        value = Storage(1);
      }
  CHECK(wrong == 0);
  // No two elements share memory; what is not an element stays zero.
  CHECK(static_cast<Index>(seen.size()) == 2 * rows * cols);
  Index ones = 0;
  for (Index k = 0; k < 2 * tiles * Tile::kSize; ++k) ones += static_cast<float>(begin[k]) != 0.0F;
  CHECK(ones == 2 * rows * cols);
  // One stream: a group of rows of tiles, column by column, then the next group.
  const Storage* next = begin;
  for (Index group = 0; group < Tile::groups(rows); ++group)
    for (Index j = 0; j < Tile::col_tiles(cols); ++j)
      for (Index i = 0; i < moments.group_height(group); ++i, next += 2 * Tile::kSize)
        wrong += moments.tile(group * Tile::kGroup + i, j) != next;
  CHECK(wrong == 0);
  CHECK(next == begin + 2 * tiles * Tile::kSize);
}

TEST_CASE("every element of both moments has a place of its own", "[moment_tiles]") {
  for (const Index rows : {1, 5, 6, 8, 17, 32, 33, 77})
    for (const Index cols : {1, 4, 8, 24, 49}) {
      check_addresses<float, float>(rows, cols);
      check_addresses<double, double>(rows, cols);
      check_addresses<float, bfloat16>(rows, cols);
    }
}

TEST_CASE("moving moments keeps their addresses", "[moment_tiles]") {
  MomentTiles<float, float> moments(7, 9);
  float* const address = &moments.at(MomentTiles<float, float>::kExpAvg, 6, 8);
  *address = 3;
  MomentTiles<float, float> moved(std::move(moments));
  CHECK(&moved.at(MomentTiles<float, float>::kExpAvg, 6, 8) == address);
  CHECK(*address == 3);
}

}  // namespace

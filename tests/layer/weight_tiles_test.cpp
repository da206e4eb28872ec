// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/layer/base_weight.hpp>
#include <lorapro/layer/weight_tiles.hpp>

#include <vector>  // std::vector

#include "support/random.hpp"

namespace {

using lorapro::BaseWeight;
using lorapro::Index;
using lorapro::RowMatrix;

/// The tile that begins at (row, col) is that block of `expected`, and fits the scratch.
template <typename Tiles, typename Scalar>
void check_tile(const Tiles& tiles, const RowMatrix<Scalar>& expected, Index row, Index depth,
                Index col, Index width) {
  CAPTURE(row, depth, col, width);
  constexpr auto kSize = static_cast<std::size_t>(lorapro::kTileScratch<Scalar>);
  std::vector<Scalar> scratch(kSize + 1, Scalar(-77));
  const auto tile = tiles(row, depth, col, width, scratch.data());
  int wrong = 0;
  for (Index k = 0; k < depth; ++k)
    for (Index j = 0; j < width; ++j)
      wrong += tile.data[k * tile.stride + j] != expected(row + k, col + j);
  CHECK(wrong == 0);
  CHECK(scratch.back() == Scalar(-77));
}

TEMPLATE_TEST_CASE("tiles of a weight and of its transpose", "[weight_tiles]", float, double) {
  LORAPRO_TEST_RANDOM(random, 2201);
  constexpr Index kDepth = lorapro::kTileDepth<TestType>, kWidth = lorapro::kTileWidth;
  using Weight = BaseWeight<lorapro::half>;
  const auto stored =
      reference::rounded<lorapro::half>(random.matrix(kDepth + 90, kDepth + kWidth));
  const Weight weight = Weight::own(stored);
  const RowMatrix<TestType> matrix = stored.cast<TestType>();
  const RowMatrix<TestType> turned = matrix.transpose();
  const lorapro::WeightTiles<TestType, Weight> tiles(weight);
  const lorapro::TransposedWeightTiles<TestType, Weight> turned_tiles(weight);
  CHECK((tiles.depth() == matrix.rows() && tiles.width() == matrix.cols()));
  CHECK((turned_tiles.depth() == matrix.cols() && turned_tiles.width() == matrix.rows()));
  const Index blocks[][4] = {{0, kDepth, 0, 90}, {3, 1, 5, 1}, {89, kDepth, 7, 33}, {1, 17, 2, 16}};
  for (const auto& block : blocks) {
    check_tile(tiles, matrix, block[0], block[1], block[2], block[3]);
    check_tile(turned_tiles, turned, block[0], block[1], block[2], block[3]);
  }
  check_tile(tiles, matrix, 0, kDepth, kDepth, kWidth);
  if (kDepth + 90 >= kWidth) check_tile(turned_tiles, turned, kWidth, kDepth, 0, kWidth);
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adjust/full_moments_buffers.hpp>

#include <vector>  // std::vector

#include "support/catch.hpp"

namespace {

using lorapro::FullMomentsBuffers;
using lorapro::Index;
using lorapro::kSides;
using lorapro::PairShape;
using lorapro::Side;

TEMPLATE_TEST_CASE("the parts of the buffers fill their memory", "[full_moments_buffers]", float,
                   double) {
  using Tile = lorapro::TileShape<TestType>;
  for (const PairShape& shape : {PairShape{1, 1, 1}, PairShape{Tile::kRows, 3 * Tile::kCols, 2},
                                 PairShape{Tile::kRows + 1, Tile::kCols - 1, 5}}) {
    CAPTURE(shape.out_features, shape.in_features, shape.rank);
    const Index size = FullMomentsBuffers<TestType>::size(shape);
    std::vector<TestType> memory(static_cast<std::size_t>(size));
    const FullMomentsBuffers<TestType> buffers(memory.data(), shape);
    // Every part is written once, and nothing is left.
    for (const Side side : kSides) {
      const Index tiles =
          (shape.length(side) + buffers.tile_length(side) - 1) / buffers.tile_length(side);
      for (const auto& part : {buffers.packed(side), buffers.back(side)})
        for (Index i = 0; i < tiles * part.height * part.tile_length; ++i) part.data[i] += 1;
    }
    CHECK(memory == std::vector<TestType>(memory.size(), TestType(1)));
    for (const Side side : kSides) {
      CHECK(buffers.packed(side).height == 2 * shape.rank);
      CHECK(buffers.back(side).height == shape.rank);
      CHECK(buffers.factor_row(side) + buffers.step_row(side) == shape.rank);
    }
  }
}

}  // namespace

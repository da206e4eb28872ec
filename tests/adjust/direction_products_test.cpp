// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adjust/direction_products.hpp>

#include <vector>  // std::vector

#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::DirectionStrip;
using lorapro::Index;
using lorapro::TileShape;
using reference::product;
using reference::Real;
using reference::RealMatrix;
using reference::transposed;
using support::norm;

/// Every rank has its own way of being cut into register tiles.
TEMPLATE_TEST_CASE("products with a strip of the direction at every small rank",
                   "[direction_products]", float, double) {
  using Tile = TileShape<TestType>;
  LORAPRO_TEST_RANDOM(random, 811);
  for (Index rank = 1; rank <= 2 * Tile::kRows + 3; ++rank) {
    const Index height = 1 + rank % Tile::kGroup, col_tiles = 1 + rank % 3;
    CAPTURE(rank, height, col_tiles);
    const Index m = height * Tile::kRows, n = col_tiles * Tile::kCols;
    const auto draw = [&](Index rows, Index cols) {
      return reference::real(reference::rounded<TestType>(random.matrix(rows, cols)));
    };
    const RealMatrix H = draw(m, n), A = draw(rank, n), B = draw(m, rank), start = draw(rank, n);
    std::vector<TestType> values(
        static_cast<std::size_t>(DirectionStrip<TestType>::size(col_tiles)), TestType(77));
    const DirectionStrip<TestType> direction{values.data(), height, col_tiles};
    // The halves that belong to the steps are not read.
    std::vector<TestType> rows(static_cast<std::size_t>(2 * rank * m), TestType(77));
    std::vector<TestType> cols(static_cast<std::size_t>(2 * rank * n), TestType(77));
    std::vector<TestType> back_A(static_cast<std::size_t>(rank * n)),
        back_B(static_cast<std::size_t>(rank * m), TestType(77));
    for (Index i = 0; i < m; ++i)
      for (Index j = 0; j < n; ++j)
        direction.tile(i / Tile::kRows,
                       j / Tile::kCols)[i % Tile::kRows * Tile::kCols + j % Tile::kCols] =
            static_cast<TestType>(H(i, j));
    const auto at = [](Index tile, Index tiles_rank, Index k, Index length, Index i) {
      return static_cast<std::size_t>((tile * tiles_rank + k) * length + i);
    };
    for (Index k = 0; k < rank; ++k) {
      for (Index i = 0; i < m; ++i)
        rows[at(i / Tile::kRows, 2 * rank, k, Tile::kRows, i % Tile::kRows)] =
            static_cast<TestType>(B(i, k));
      for (Index j = 0; j < n; ++j) {
        cols[at(j / Tile::kCols, 2 * rank, rank + k, Tile::kCols, j % Tile::kCols)] =
            static_cast<TestType>(A(k, j));
        back_A[at(j / Tile::kCols, rank, k, Tile::kCols, j % Tile::kCols)] =
            static_cast<TestType>(start(k, j));
      }
    }
    for (Index c = 0; c < col_tiles; ++c)
      lorapro::add_product_A(direction, c, rank, rows.data(),
                             back_A.data() + c * rank * Tile::kCols);
    for (Index i = 0; i < height; ++i)
      lorapro::product_B(direction, i, rank, cols.data(), back_B.data() + i * rank * Tile::kRows);
    RealMatrix hA(rank, n), hB(m, rank);
    for (Index k = 0; k < rank; ++k) {
      for (Index j = 0; j < n; ++j)
        hA(k, j) = back_A[at(j / Tile::kCols, rank, k, Tile::kCols, j % Tile::kCols)];
      for (Index i = 0; i < m; ++i)
        hB(i, k) = back_B[at(i / Tile::kRows, rank, k, Tile::kRows, i % Tile::kRows)];
    }
    const RealMatrix expected_A = start + product(transposed(B), H);
    CHECK(support::distance(hA, expected_A) <=
          support::tolerance<TestType>(1, static_cast<double>(m), 1, norm(B) * norm(H)));
    CHECK(support::distance(hB, product(H, transposed(A))) <=
          support::tolerance<TestType>(1, static_cast<double>(n), 1, norm(A) * norm(H)));
  }
}

}  // namespace

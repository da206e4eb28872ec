// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/linalg/tiled_product.hpp>

#include <mutex>   // std::mutex
#include <vector>  // std::vector

#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::Index;
using lorapro::make_view;
using lorapro::MatrixView;
using lorapro::RowMatrix;
using lorapro::TiledProduct;
using lorapro::transposed;
using lorapro::ViewTiles;
using reference::product;
using reference::real;
using reference::RealMatrix;
using reference::rounded;

template <typename T>
MatrixView<const T> read(const RowMatrix<T>& matrix) {
  return make_view(matrix);
}

/// A factor of shape (rows, cols), as it is or as the transpose of what is stored.
template <typename T>
struct Operand {
  Operand(support::Random& random, Index rows, Index cols, bool transposed_)
      : stored(rounded<T>(transposed_ ? random.matrix(cols, rows) : random.matrix(rows, cols))),
        is_transposed(transposed_) {}

  MatrixView<const T> view() const {
    return is_transposed ? transposed(read(stored)) : read(stored);
  }
  RealMatrix matrix() const {
    return is_transposed ? reference::transposed(real(stored)) : real(stored);
  }

  RowMatrix<T> stored;
  bool is_transposed;
};

template <typename T>
void check(support::Random& random, Index rows, Index depth, Index width, bool left_transposed,
           bool right_transposed, int threads) {
  CAPTURE(rows, depth, width, left_transposed, right_transposed, threads);
  const Operand<T> left(random, rows, depth, left_transposed);
  const Operand<T> right(random, depth, width, right_transposed);
  // A frame around the result must stay.
  RowMatrix<T> canvas = rounded<T>(random.matrix(rows + 2, width + 3));
  const RowMatrix<T> before = canvas;
  auto block = canvas.block(1, 2, rows, width);
  const RealMatrix expected = product(left.matrix(), right.matrix());
  const double bound = support::tolerance<T>(1, static_cast<double>(depth) + 2, 1,
                                             static_cast<double>(reference::norm(expected)) + 10);
  TiledProduct<T>::add(T(0.5), left.view(), ViewTiles<T>(right.view()), make_view(block), threads);
  const RealMatrix start = real(before.block(1, 2, rows, width));
  CHECK(support::distance(block, RealMatrix(start + 0.5L * expected)) <= bound);
  TiledProduct<T>::assign(left.view(), ViewTiles<T>(right.view()), make_view(block), threads);
  CHECK(support::distance(block, expected) <= bound);
  block = before.block(1, 2, rows, width);
  CHECK(canvas == before);
}

TEMPLATE_TEST_CASE("products by tiles against plain loops", "[tiled_product]", float, double) {
  LORAPRO_TEST_RANDOM(random, 2101);
  constexpr Index kDepth = lorapro::kTileDepth<TestType>, kWidth = lorapro::kTileWidth;
  const Index sizes[][3] = {
      {1, 1, 1},
      {3, 5, 7},
      {31, kDepth, kWidth},
      {33, kDepth + 1, kWidth + 1},
      {100, kDepth - 1, 16},
      {70, 2 * kDepth + 3, 2 * kWidth + 17},
      // Rows some kilobytes apart are copied, those of the left factor in blocks.
      {150, 512, 256},
      {16, 9, 3 * kWidth - 1}};
  for (const auto& size : sizes)
    for (const bool left : {false, true})
      for (const bool right : {false, true})
        for (const int threads : {1, 3})
          check<TestType>(random, size[0], size[1], size[2], left, right, threads);
}

TEST_CASE("the bits do not depend on the number of threads", "[tiled_product]") {
  LORAPRO_TEST_RANDOM(random, 2102);
  // Large enough for a team; rows are divided where threads outnumber strips.
  const Index sizes[][3] = {{201, 300, 500}, {333, 400, 30}, {20, 300, 900}};
  for (const auto& size : sizes) {
    CAPTURE(size[0], size[1], size[2]);
    const Operand<float> left(random, size[0], size[1], false);
    const Operand<float> right(random, size[1], size[2], true);
    const RowMatrix<float> start = rounded<float>(random.matrix(size[0], size[2]));
    RowMatrix<float> first(size[0], size[2]), first_sum = start;
    for (const int threads : {1, 2, 3, 5, 16}) {
      CAPTURE(threads);
      RowMatrix<float> out(size[0], size[2]), sum = start;
      TiledProduct<float>::assign(left.view(), ViewTiles<float>(right.view()), make_view(out),
                                  threads);
      TiledProduct<float>::add(2.0F, left.view(), ViewTiles<float>(right.view()), make_view(sum),
                               threads);
      if (threads == 1) {
        first = out;
        first_sum = sum;
      }
      CHECK(out == first);
      CHECK(sum == first_sum);
    }
  }
}

TEST_CASE("a product is summed before it is added", "[tiled_product]") {
  LORAPRO_TEST_RANDOM(random, 2103);
  const Operand<float> left(random, 40, 400, true), right(random, 400, 200, false);
  RowMatrix<float> once = RowMatrix<float>::Zero(40, 200), twice = once;
  const ViewTiles<float> tiles(right.view());
  TiledProduct<float>::add(1.0F, left.view(), tiles, make_view(once), 1);
  for (int k = 0; k < 2; ++k)
    TiledProduct<float>::add(1.0F, left.view(), tiles, make_view(twice), 1);
  CHECK(twice == 2 * once);
}

TEST_CASE("a left factor with neither rows nor columns contiguous", "[tiled_product]") {
  LORAPRO_TEST_RANDOM(random, 2105);
  const RowMatrix<double> stored = random.matrix(2 * 140, 3 * 50).cast<double>();
  const MatrixView<const double> left{stored.data(), 140, 50, 2 * stored.cols(), 3};
  RealMatrix picked(140, 50);
  for (Index i = 0; i < picked.rows(); ++i)
    for (Index k = 0; k < picked.cols(); ++k)
      picked(i, k) = static_cast<reference::Real>(stored(2 * i, 3 * k));
  const Operand<double> right(random, 50, 40, false);
  RowMatrix<double> out(140, 40);
  TiledProduct<double>::assign(left, ViewTiles<double>(right.view()), make_view(out), 1);
  const RealMatrix expected = product(picked, right.matrix());
  CHECK(support::distance(out, expected) <=
        support::tolerance<double>(1, 52, 1, static_cast<double>(reference::norm(expected))));
}

TEST_CASE("products of nothing", "[tiled_product]") {
  RowMatrix<float> out = RowMatrix<float>::Constant(3, 4, 7);
  const RowMatrix<float> before = out, left(3, 0), right(0, 4), none(0, 5), other(5, 4);
  TiledProduct<float>::add(1.0F, read(left), ViewTiles<float>(read(right)), make_view(out), 2);
  CHECK(out == before);
  TiledProduct<float>::assign(read(left), ViewTiles<float>(read(right)), make_view(out), 2);
  CHECK((out.array() == 0).all());
  RowMatrix<float> no_rows(0, 4);
  TiledProduct<float>::assign(read(none), ViewTiles<float>(read(other)), make_view(no_rows), 2);
  CHECK(no_rows.size() == 0);
}

/// Counts how often each element of the right factor is made.
struct CountingTiles {
  ViewTiles<float> tiles;
  RowMatrix<int>& made;
  std::mutex& mutex;

  Index depth() const { return tiles.depth(); }
  Index width() const { return tiles.width(); }
  lorapro::Panel<const float> operator()(Index row, Index depth, Index col, Index width,
                                         float* scratch) const {
    const std::lock_guard<std::mutex> lock(mutex);
    CHECK((depth >= 1 && depth <= lorapro::kTileDepth<float>));
    CHECK((width >= 1 && width <= lorapro::kTileWidth));
    made.block(row, col, depth, width).array() += 1;
    return tiles(row, depth, col, width, scratch);
  }
};

TEST_CASE("every tile is made once, or once for each thread without a strip", "[tiled_product]") {
  LORAPRO_TEST_RANDOM(random, 2104);
  const Operand<float> left(random, 256, 300, false), right(random, 300, 700, false);
  RowMatrix<float> out(256, 700);
  std::mutex mutex;
  for (const int threads : {1, 2, 8}) {
    CAPTURE(threads);
    RowMatrix<int> made = RowMatrix<int>::Zero(300, 700);
    TiledProduct<float>::assign(left.view(),
                                CountingTiles{ViewTiles<float>(right.view()), made, mutex},
                                make_view(out), threads);
    CHECK(made.minCoeff() == made.maxCoeff());
    CHECK(made.maxCoeff() == (threads == 8 ? 4 : 1));
  }
}

TEST_CASE("a sum over many rows makes the tiles of a short product once", "[tiled_product]") {
  LORAPRO_TEST_RANDOM(random, 2106);
  const Operand<float> left(random, 300, 16, false), right(random, 16, 700, true);
  RowMatrix<float> out = RowMatrix<float>::Zero(300, 700);
  RowMatrix<int> made = RowMatrix<int>::Zero(16, 700);
  std::mutex mutex;
  TiledProduct<float>::add(1.0F, left.view(),
                           CountingTiles{ViewTiles<float>(right.view()), made, mutex},
                           make_view(out), 1);
  CHECK(made.minCoeff() == 1);
  CHECK(made.maxCoeff() == 1);
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/layer/low_rank_product.hpp>

#include <lorapro/layer/nf4_weight.hpp>

#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::Dropout;
using lorapro::Index;
using lorapro::LoraView;
using lorapro::LowRankProduct;
using lorapro::make_view;
using lorapro::RowMatrix;
using reference::product;
using reference::Real;
using reference::real;
using reference::RealMatrix;
using reference::transposed;

/// A frozen weight that is nowhere in memory: W0(i, j) = (i - 2 j) / 64.
struct WeightOfFormula {
  Index out, in;
  Index out_features() const { return out; }
  Index in_features() const { return in; }
  static double entry(Index i, Index j) { return static_cast<double>(i - 2 * j) / 64; }
  template <typename Scalar>
  void decode(Index row, Index rows, Index col, Index cols, Scalar* target, Index stride) const {
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < cols; ++j)
        target[i * stride + j] = static_cast<Scalar>(entry(row + i, col + j));
  }
  RealMatrix matrix() const {
    RealMatrix W(out, in);
    for (Index i = 0; i < out; ++i)
      for (Index j = 0; j < in; ++j) W(i, j) = Real(entry(i, j));
    return W;
  }
};

template <typename Scalar, int kOrder = Eigen::RowMajor>
struct ProductCase {
  using Batch = RowMatrix<Scalar>;
  using Factor = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, kOrder>;
  static constexpr double kScaling = 1.25;

  ProductCase(support::Random& random, Index batch, Index out, Index in, Index rank)
      : weight{out, in},
        A(reference::rounded<Scalar>(random.matrix(rank, in))),
        B(reference::rounded<Scalar>(random.matrix(out, rank))),
        grad_A(Batch::Constant(rank, in, Scalar(0.5))),
        grad_B(Batch::Constant(out, rank, Scalar(-0.25))),
        x(reference::rounded<Scalar>(random.matrix(batch, in))),
        dy(reference::rounded<Scalar>(random.matrix(batch, out))),
        y(batch, out),
        dx(batch, in) {}

  LoraView<Scalar> lora() {
    return {make_view(A), make_view(B), make_view(grad_A), make_view(grad_B), kScaling};
  }
  static lorapro::MatrixView<const Scalar> read(const Batch& matrix) { return make_view(matrix); }

  void run(LowRankProduct<Scalar>& products, const Dropout& dropout) {
    products.forward_base(read(x), weight, make_view(y));
    products.forward_adapter(read(x), lora(), dropout, make_view(y));
    products.backward_base(read(dy), weight, make_view(dx));
    products.backward_adapter(read(x), read(dy), lora(), dropout, make_view(dx));
  }

  WeightOfFormula weight;
  Factor A, B;
  Batch grad_A, grad_B, x, dy, y, dx;
};

template <typename Case>
void check_against_formulas(Case& c, const Dropout& dropout) {
  using Scalar = typename Case::Batch::Scalar;
  const Index batch = c.x.rows(), out = c.weight.out, in = c.weight.in, rank = c.A.rows();
  // The mask as a matrix, from ones.
  const RowMatrix<Scalar> ones = RowMatrix<Scalar>::Ones(batch, in);
  RowMatrix<Scalar> mask(batch, in);
  dropout.apply(make_view(ones), 0, make_view(mask));
  const Real s = Case::kScaling;
  const RealMatrix W = c.weight.matrix(), A = real(c.A), B = real(c.B), dy = real(c.dy);
  const RealMatrix x = real(c.x), masked = x.cwiseProduct(real(mask));
  const auto close = [](const auto& got, const RealMatrix& expected, Index terms) {
    CHECK(support::distance(got, expected) <=
          support::tolerance<Scalar>(2, static_cast<double>(terms), 1,
                                     static_cast<double>(reference::norm(expected)) + 1));
  };
  const RealMatrix hidden = product(masked, transposed(A)), back = s * product(dy, B);
  close(c.y, product(x, transposed(W)) + s * product(hidden, transposed(B)), in + rank);
  close(c.dx, product(dy, W) + product(back, A).cwiseProduct(real(mask)), out + rank);
  close(c.grad_A, RealMatrix::Constant(rank, in, Real(0.5)) + product(transposed(back), masked),
        batch + out);
  close(c.grad_B,
        RealMatrix::Constant(out, rank, Real(-0.25)) + s * product(transposed(dy), hidden),
        batch + in);
}

TEMPLATE_TEST_CASE("products of a layer are those of their formulas", "[low_rank_product]", float,
                   double) {
  LORAPRO_TEST_RANDOM(random, 2611);
  const Index shapes[][4] = {{1, 1, 1, 1}, {3, 5, 7, 2}, {67, 40, 50, 8}, {130, 200, 33, 5}};
  for (const auto& shape : shapes)
    for (const double p : {0.0, 0.3}) {
      CAPTURE(shape[0], shape[1], shape[2], shape[3], p);
      const Dropout dropout{p, 7, 2};
      LowRankProduct<TestType> products;
      ProductCase<TestType> c(random, shape[0], shape[1], shape[2], shape[3]);
      c.run(products, dropout);
      check_against_formulas(c, dropout);
      ProductCase<TestType, Eigen::ColMajor> turned(random, shape[0], shape[1], shape[2],
                                                    shape[3] + 1);
      turned.run(products, dropout);
      check_against_formulas(turned, dropout);
    }
}

TEST_CASE("batches of a product may be blocks of columns", "[low_rank_product]") {
  LORAPRO_TEST_RANDOM(random, 2612);
  ProductCase<double> c(random, 20, 6, 5, 2), same = c;
  LowRankProduct<double> products;
  const Dropout dropout{0.4, 1, 1};
  c.run(products, dropout);
  RowMatrix<double> canvas = RowMatrix<double>::Constant(20, 40, 9);
  canvas.middleCols(1, 5) = same.x;
  canvas.middleCols(7, 6) = same.dy;
  const auto columns = [&](Index first, Index count) {
    auto block = canvas.middleCols(first, count);
    return make_view(block);
  };
  const auto read = [&](Index first, Index count) {
    const auto block = canvas.middleCols(first, count);
    return lorapro::MatrixView<const double>(make_view(block));
  };
  products.forward_base(read(1, 5), same.weight, columns(20, 6));
  products.forward_adapter(read(1, 5), same.lora(), dropout, columns(20, 6));
  products.backward_base(read(7, 6), same.weight, columns(30, 5));
  products.backward_adapter(read(1, 5), read(7, 6), same.lora(), dropout, columns(30, 5));
  CHECK(canvas.middleCols(20, 6) == c.y);
  CHECK(canvas.middleCols(30, 5) == c.dx);
  CHECK(same.grad_A == c.grad_A);
  CHECK(same.grad_B == c.grad_B);
  for (const Index untouched : {0, 6, 13, 19, 26, 29, 35})
    CHECK((canvas.col(untouched).array() == 9).all());
}

TEST_CASE("gradients of factors do not need that of x", "[low_rank_product]") {
  LORAPRO_TEST_RANDOM(random, 2613);
  ProductCase<double> c(random, 70, 6, 5, 2), same = c;
  LowRankProduct<double> products;
  const Dropout dropout{0.4, 1, 1};
  c.run(products, dropout);
  products.backward_adapter(c.read(same.x), c.read(same.dy), same.lora(), dropout);
  CHECK(same.grad_A == c.grad_A);
  CHECK(same.grad_B == c.grad_B);
}

TEST_CASE("a product with an adapter does not know the number of threads", "[low_rank_product]") {
  LORAPRO_TEST_RANDOM(random, 2614);
  const ProductCase<float> start(random, 300, 250, 210, 8);
  LowRankProduct<float> products;
  CHECK(products.threads() == lorapro::thread_count(0));
  products.set_threads(1);
  CHECK(products.threads() == 1);
  ProductCase<float> expected = start;
  const Dropout dropout{0.1, 1, 1};
  expected.run(products, dropout);
  for (const int threads : {2, 5, 0}) {
    products.set_threads(threads);
    ProductCase<float> c = start;
    c.run(products, dropout);
    CHECK(c.y == expected.y);
    CHECK(c.dx == expected.dx);
    CHECK(c.grad_A == expected.grad_A);
    CHECK(c.grad_B == expected.grad_B);
  }
  CHECK_THROWS_WITH(products.set_threads(-2), "threads: expected a number >= 0, got -2");
}

TEST_CASE("the product of the factors is added to a weight", "[low_rank_product]") {
  LORAPRO_TEST_RANDOM(random, 2615);
  ProductCase<double> c(random, 1, 70, 9, 3);  // more than one block of rows
  RowMatrix<double> W = reference::rounded<double>(random.matrix(70, 9));
  const RealMatrix expected = real(W) - 0.5L * product(real(c.B), real(c.A));
  LowRankProduct<double> products;
  products.add_to_weight(-0.5, c.lora(), lorapro::BaseWeight<double>::map_writable(W));
  CHECK(support::distance(W, expected) <=
        support::tolerance<double>(1, 4, 1, static_cast<double>(reference::norm(expected))));
}

TEST_CASE("rows of W0 + c B A, and W0 with factors of its rows", "[low_rank_product]") {
  LORAPRO_TEST_RANDOM(random, 2615);
  ProductCase<double> c(random, 1, 130, 33, 4);
  const RealMatrix adapted = c.weight.matrix() - 2.0L * product(real(c.B), real(c.A));
  LowRankProduct<double> products;
  RowMatrix<double> rows = RowMatrix<double>::Zero(130, 33);
  Index next = 0;
  products.for_adapted_rows(-2, c.lora(), c.weight,
                            [&](Index row, const lorapro::MatrixView<double>& part) {
                              CHECK(row == next);
                              next = row + part.rows;
                              for (Index i = 0; i < part.rows; ++i)
                                for (Index j = 0; j < part.cols; ++j) rows(row + i, j) = part(i, j);
                            });
  CHECK(next == 130);
  const double bound = support::tolerance<double>(2, 6, 1, support::norm(adapted));
  CHECK(support::distance(rows, adapted) <= bound);

  RowMatrix<double> W = reference::rounded<double>(c.weight.matrix());
  std::vector<double> factors(130, 1);
  factors[0] = 4;
  factors[129] = -0.5;
  products.add_to_weight(-2, c.lora(), lorapro::BaseWeight<double>::map_writable(W),
                         factors.data());
  rows.row(0) *= 4;
  rows.row(129) *= -0.5;
  CHECK(support::distance(W, real(rows)) <= 4 * bound);
}

}  // namespace

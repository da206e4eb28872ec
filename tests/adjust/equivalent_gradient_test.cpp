// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adjust/equivalent_gradient.hpp>

#include <limits>  // std::numeric_limits

#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::Index;
using lorapro::RowMatrix;
using reference::Pair;
using reference::Real;
using reference::RealMatrix;

struct Steps {
  RealMatrix A, B;
  Pair d;

  Steps(support::Random& random, Index out, Index in, Index rank)
      : A(random.matrix(rank, in)),
        B(random.matrix(out, rank)),
        d{random.matrix(rank, in), random.matrix(out, rank)} {}
};

TEMPLATE_TEST_CASE("the norm of E without E", "[equivalent_gradient]", float, double,
                   lorapro::bfloat16, lorapro::half) {
  LORAPRO_TEST_RANDOM(random, 301);
  struct Shape {
    Index out, in, rank;
  };
  for (const Shape& shape :
       {Shape{1, 1, 1}, Shape{6, 5, 2}, Shape{300, 7, 3}, Shape{9, 520, 5}, Shape{3, 4, 6}})
    for (const double s : {1.0, 2.5, -0.25}) {
      CAPTURE(shape.out, shape.in, shape.rank, s);
      const Steps steps(random, shape.out, shape.in, shape.rank);
      const auto A = reference::rounded<TestType>(steps.A),
                 B = reference::rounded<TestType>(steps.B),
                 dA = reference::rounded<TestType>(steps.d.A),
                 dB = reference::rounded<TestType>(steps.d.B);
      const RealMatrix left = reference::product(reference::real(B), reference::real(dA));
      const RealMatrix right = reference::product(reference::real(dB), reference::real(A));
      const auto expected = static_cast<double>(std::abs(s) * reference::norm(left + right));
      const auto parts =
          static_cast<double>(std::abs(s) * (reference::norm(left) + reference::norm(right)));
      const double got = lorapro::equivalent_gradient_norm(lorapro::lora_factors(A, B, s),
                                                           lorapro::factor_pair(dA, dB));
      // The square is a sum whose terms may cancel.
      CHECK(std::abs(got * got - expected * expected) <=
            support::tolerance<double>(1, static_cast<double>(shape.out + shape.in), 1,
                                       parts * parts));
    }
}

TEST_CASE("the norm of an E that cancels", "[equivalent_gradient]") {
  // dA = X A, dB = -B X: E = 0, and the sum of squares may come out below zero.
  LORAPRO_TEST_RANDOM(random, 302);
  for (int repeat = 0; repeat < 20; ++repeat) {
    const Steps steps(random, 8, 9, 3);
    const RealMatrix X = random.matrix(3, 3);
    const auto dA = reference::rounded<double>(reference::product(X, steps.A));
    const auto dB = reference::rounded<double>(-reference::product(steps.B, X));
    const double got = lorapro::equivalent_gradient_norm(
        lorapro::lora_factors(reference::rounded<double>(steps.A),
                              reference::rounded<double>(steps.B), 2.0),
        lorapro::factor_pair(dA, dB));
    const double parts = 2 * static_cast<double>(reference::norm(
                                 reference::product(steps.B, reference::product(X, steps.A))));
    CHECK(got >= 0);
    CHECK(got * got <= support::tolerance<double>(1, 17, 1, parts * parts));
  }
}

TEST_CASE("the norm of what is not finite is not finite", "[equivalent_gradient]") {
  for (int place = 0; place < 4; ++place) {
    CAPTURE(place);
    RowMatrix<float> A = RowMatrix<float>::Ones(2, 5), B = RowMatrix<float>::Ones(4, 2), dA = A,
                     dB = B;
    RowMatrix<float>* const matrices[] = {&A, &B, &dA, &dB};
    (*matrices[place])(1, 1) = std::numeric_limits<float>::quiet_NaN();
    CHECK_FALSE(lorapro::is_finite(lorapro::equivalent_gradient_norm(
        lorapro::lora_factors(A, B, 1.0), lorapro::factor_pair(dA, dB))));
  }
}

TEST_CASE("the norm refuses shapes that do not fit", "[equivalent_gradient]") {
  const RowMatrix<double> A(2, 5), B(4, 2), wrong(3, 3);
  CHECK_THROWS_WITH((void)lorapro::equivalent_gradient_norm(lorapro::lora_factors(A, wrong, 1.0),
                                                            lorapro::factor_pair(A, B)),
                    "lora_B: expected (3, 2), got (3, 3)");
  CHECK_THROWS_WITH((void)lorapro::equivalent_gradient_norm(lorapro::lora_factors(A, B, 1.0),
                                                            lorapro::factor_pair(wrong, B)),
                    "step_A: expected (2, 5), got (3, 3)");
  CHECK_THROWS_WITH((void)lorapro::equivalent_gradient_norm(lorapro::lora_factors(A, B, 1.0),
                                                            lorapro::factor_pair(A, wrong)),
                    "step_B: expected (4, 2), got (3, 3)");
}

TEMPLATE_TEST_CASE("blocks of E", "[equivalent_gradient]", float, double) {
  LORAPRO_TEST_RANDOM(random, 303);
  const Steps steps(random, 9, 11, 3);
  const auto A = reference::rounded<TestType>(steps.A),
             dA = reference::rounded<TestType>(steps.d.A);
  // One side col-major, to mix orders.
  const Eigen::Matrix<TestType, Eigen::Dynamic, Eigen::Dynamic> B =
      reference::rounded<TestType>(steps.B);
  const auto dB = reference::rounded<TestType>(steps.d.B);
  const RealMatrix E = reference::equivalent_gradient(
      reference::real(A), reference::real(B), {reference::real(dA), reference::real(dB)}, 1.5L);
  const auto norm = static_cast<double>(reference::norm(E));
  struct Block {
    Index row, col, rows, cols;
  };
  for (const Block& b : {Block{0, 0, 9, 11}, Block{3, 4, 2, 5}, Block{8, 10, 1, 1},
                         Block{0, 7, 9, 4}, Block{9, 11, 0, 0}}) {
    CAPTURE(b.row, b.col, b.rows, b.cols);
    const RealMatrix expected = E.block(b.row, b.col, b.rows, b.cols);
    RowMatrix<TestType> row_major(b.rows, b.cols);
    lorapro::equivalent_gradient_block(lorapro::lora_factors(A, B, 1.5),
                                       lorapro::factor_pair(dA, dB), b.row, b.col, row_major);
    CHECK(support::distance(row_major, expected) <=
          support::tolerance<TestType>(1, 1, 1, norm) + support::tolerance<double>(1, 6, 1, norm));
    Eigen::Matrix<TestType, Eigen::Dynamic, Eigen::Dynamic> canvas =
        Eigen::Matrix<TestType, Eigen::Dynamic, Eigen::Dynamic>::Constant(b.rows + 2, b.cols + 2,
                                                                          TestType(5));
    lorapro::equivalent_gradient_block(lorapro::lora_factors(A, B, 1.5),
                                       lorapro::factor_pair(dA, dB), b.row, b.col,
                                       canvas.block(1, 1, b.rows, b.cols));
    CHECK(canvas.block(1, 1, b.rows, b.cols) == row_major);
    canvas.block(1, 1, b.rows, b.cols).setConstant(TestType(5));
    CHECK(canvas == canvas.Constant(b.rows + 2, b.cols + 2, TestType(5)));
  }
}

TEST_CASE("a block beyond E is refused and not written", "[equivalent_gradient]") {
  const RowMatrix<double> A = RowMatrix<double>::Ones(2, 5), B = RowMatrix<double>::Ones(4, 2);
  RowMatrix<double> block = RowMatrix<double>::Constant(2, 3, 7);
  const auto at = [&](Index row, Index col) {
    lorapro::equivalent_gradient_block(lorapro::lora_factors(A, B, 1.0), lorapro::factor_pair(A, B),
                                       row, col, block);
  };
  CHECK_THROWS_WITH(at(3, 0), "block: expected to lie within (4, 5), got (2, 3) at (3, 0)");
  CHECK_THROWS_WITH(at(0, 3), "block: expected to lie within (4, 5), got (2, 3) at (0, 3)");
  CHECK_THROWS_AS(at(-1, 0), lorapro::ShapeError);
  CHECK_THROWS_AS(at(0, -1), lorapro::ShapeError);
  CHECK(block == block.Constant(2, 3, 7));
  CHECK_NOTHROW(at(2, 2));
  CHECK(block == block.Constant(2, 3, 4));
}

}  // namespace

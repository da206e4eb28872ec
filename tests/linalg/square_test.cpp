// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/linalg/square.hpp>

#include "support/random.hpp"
#include "support/squares.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::ConstSquare;
using lorapro::Index;
using lorapro::Square;
using reference::product;
using reference::RealMatrix;
using Matrix = lorapro::RowMatrix<double>;

/// Random matrices, each the inner block of a larger one whose border is not a number.
struct Blocks {
  explicit Blocks(support::Random& random, Index order) {
    for (Matrix& frame : frames) {
      frame = Matrix::Constant(order + 3, order + 3, std::nan(""));
      frame.block(1, 2, order, order) = reference::rounded<double>(random.matrix(order, order));
    }
  }
  Square operator[](std::size_t k) {
    const Index order = frames[k].rows() - 3;
    return support::square(frames[k]).block(1, 2, order);
  }
  Matrix frames[5];
};

TEST_CASE("products of blocks are those of dense matrices", "[square]") {
  LORAPRO_TEST_RANDOM(random, 71);
  for (const Index r : {1, 2, 3, 8, 13, 16}) {
    CAPTURE(r);
    Blocks m(random, r);
    const RealMatrix a = support::real(m[1]), b = support::real(m[2]), c = support::real(m[3]),
                     d = support::real(m[4]), before = support::real(m[0]);
    const auto near = [&](const RealMatrix& expected) {
      CHECK(support::distance(support::real(m[0]), expected) <=
            support::tolerance<double>(4, static_cast<double>(r), 1, 1 + 10.0 * double(r)));
    };
    add_product(m[0], m[1], transposed(m[2]));
    near(before + product(a, reference::transposed(b)));
    multiply(m[0], m[1], m[2]);
    near(product(a, b));
    multiply(m[0], transposed(m[1]), m[2]);
    near(product(reference::transposed(a), b));
    multiply(m[0], m[1], transposed(m[2]));
    near(product(a, reference::transposed(b)));
    multiply_sum(m[0], m[1], m[2], m[3], m[4]);
    near(product(a, b) + product(c, d));
    // The borders are as they were.
    for (Matrix& frame : m.frames) CHECK(std::isnan(frame.topRows(1).maxCoeff()));
  }
}

TEST_CASE("element-wise operations", "[square]") {
  Matrix a(2, 2), out = Matrix::Constant(2, 2, 9);
  a << 1, 2, 3, 4;
  const Square to = support::square(out);
  const ConstSquare from = support::square(static_cast<const Matrix&>(a));
  negate(to, from);
  CHECK(out == -a);
  copy(to, from);
  CHECK(out == a);
  scale(to, 2);
  CHECK(out == 2 * a);
  const double values[] = {10, 100};
  scale_rows(to, values, from);
  CHECK(out(0, 1) == 20);
  CHECK(out(1, 0) == 300);
  transpose(to, from);
  CHECK(out == Matrix(a.transpose()));
  mirror(to);
  CHECK(out(1, 0) == 3);
  set_zero(to);
  CHECK(out == Matrix(Matrix::Zero(2, 2)));
  CHECK(dot(from, from) == 30);
  CHECK(lorapro::norm(from) == std::sqrt(30.0));
  CHECK(all_finite(from));
  a(1, 1) = std::numeric_limits<double>::infinity();
  CHECK_FALSE(all_finite(from));
  CHECK_FALSE(static_cast<bool>(Square{}));
}

}  // namespace

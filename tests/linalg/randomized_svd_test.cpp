// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/linalg/randomized_svd.hpp>

#include <limits>  // std::numeric_limits

#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::Index;
using lorapro::LeadingSvd;
using lorapro::RandomizedSvd;
using lorapro::ViewTiles;
using SvdMatrix = lorapro::RowMatrix<double>;

LeadingSvd randomized(const SvdMatrix& M, Index count, const RandomizedSvd& svd = {}) {
  const auto view = lorapro::make_view(M);
  return svd(ViewTiles<double>(view), ViewTiles<double>(lorapro::transposed(view)), count);
}

/// Values that fall by `ratio` from each to the next.
SvdMatrix falling(support::Random& random, Index rows, Index cols, double ratio) {
  std::vector<reference::Real> values;
  for (Index k = 0; k < std::min(rows, cols); ++k)
    values.push_back(std::pow(reference::Real(ratio), static_cast<reference::Real>(k)));
  return reference::rounded<double>(random.with_singular_values(rows, cols, values));
}

double departure(const Eigen::MatrixXd& a, const Eigen::MatrixXd& b) { return (a - b).norm(); }

TEST_CASE("a sample of all directions is the exact decomposition", "[randomized_svd]") {
  LORAPRO_TEST_RANDOM(random, 3001);
  const Index shapes[][2] = {{12, 20}, {20, 12}, {11, 11}};
  for (const auto& shape : shapes) {
    CAPTURE(shape[0], shape[1]);
    const SvdMatrix M = falling(random, shape[0], shape[1], 0.7);
    const LeadingSvd found = randomized(M, 4), exact = lorapro::leading_svd(M, 4);
    CHECK(departure(found.left, exact.left) <= 1e-13);
    CHECK(departure(found.values, exact.values) <= 1e-14);
    CHECK(departure(found.right, exact.right) <= 1e-13);
  }
}

TEST_CASE("power iterations find the leading triplets where the values fall", "[randomized_svd]") {
  LORAPRO_TEST_RANDOM(random, 3002);
  for (const bool tall : {false, true}) {
    CAPTURE(tall);
    // Beyond one tile of the products in both directions.
    const SvdMatrix M = falling(random, tall ? 210 : 90, tall ? 90 : 210, 0.8);
    const LeadingSvd exact = lorapro::leading_svd(M, 6);
    double before = 1;
    for (const int iterations : {0, 1, 4}) {
      RandomizedSvd svd;
      svd.iterations = iterations;
      const LeadingSvd found = randomized(M, 6, svd);
      const double error = departure(found.left, exact.left) + departure(found.right, exact.right);
      CAPTURE(iterations, error);
      if (iterations > 0) CHECK(error < before / 20);
      before = error;
      // Of a part of M, no value is above that of the whole.
      CHECK((found.values.array() <= exact.values.array() + 1e-14).all());
    }
    CHECK(before <= 1e-8);
  }
}

TEST_CASE("without a gap what is left of a matrix is near the least", "[randomized_svd]") {
  LORAPRO_TEST_RANDOM(random, 3003);
  const SvdMatrix M = reference::rounded<double>(random.matrix(80, 100));
  const LeadingSvd found = randomized(M, 8), exact = lorapro::leading_svd(M, 8);
  const auto rest = [&](const LeadingSvd& svd) {
    return (M - svd.left * svd.values.asDiagonal() * svd.right.transpose()).norm();
  };
  CHECK(rest(found) <= 1.001 * rest(exact));
  CHECK(departure(found.left.transpose() * found.left, Eigen::MatrixXd::Identity(8, 8)) <= 1e-14);
  CHECK(departure(found.right.transpose() * found.right, Eigen::MatrixXd::Identity(8, 8)) <= 1e-14);
}

TEST_CASE("the seed decides the numbers, and threads do not", "[randomized_svd]") {
  LORAPRO_TEST_RANDOM(random, 3004);
  const SvdMatrix M = reference::rounded<double>(random.matrix(300, 410));
  RandomizedSvd one, two, other;
  one.threads = 1;
  two.threads = 2;
  other.seed = 1;
  const LeadingSvd first = randomized(M, 3, one);
  CHECK(randomized(M, 3, two).left == first.left);
  CHECK(randomized(M, 3, two).values == first.values);
  CHECK(randomized(M, 3, other).left != first.left);
}

TEST_CASE("directions that a matrix lacks have the value 0", "[randomized_svd]") {
  LORAPRO_TEST_RANDOM(random, 3005);
  const SvdMatrix M =
      reference::rounded<double>(reference::product(random.matrix(30, 2), random.matrix(2, 40)));
  const LeadingSvd found = randomized(M, 5);
  CHECK(found.values(1) > 1);
  CHECK(found.values(2) <= 1e-13 * found.values(0));
  CHECK(departure(found.left.transpose() * found.left, Eigen::MatrixXd::Identity(5, 5)) <= 1e-14);
  const LeadingSvd none = randomized(SvdMatrix::Zero(7, 5), 2);
  CHECK(none.values.isZero(0));
  CHECK(departure(none.right.transpose() * none.right, Eigen::MatrixXd::Identity(2, 2)) <= 1e-14);
}

TEST_CASE("each left vector has its largest entry positive", "[randomized_svd]") {
  LORAPRO_TEST_RANDOM(random, 3006);
  const SvdMatrix M = reference::rounded<double>(random.matrix(9, 13));
  for (const LeadingSvd& svd : {randomized(M, 5), lorapro::leading_svd(M, 5)})
    for (Index k = 0; k < 5; ++k) CHECK(svd.left.col(k).maxCoeff() >= -svd.left.col(k).minCoeff());
}

TEST_CASE("what a randomised decomposition cannot do is refused", "[randomized_svd]") {
  SvdMatrix M = SvdMatrix::Ones(3, 4);
  CHECK_THROWS_WITH(randomized(M, 4), "count: expected a number from 1 to the sides of M, got 4");
  CHECK_THROWS_WITH(randomized(M, 0), "count: expected a number from 1 to the sides of M, got 0");
  RandomizedSvd bad;
  bad.iterations = -1;
  CHECK_THROWS_WITH(randomized(M, 1, bad), "iterations: expected a number >= 0, got -1");
  M(1, 2) = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(randomized(M, 1), "matrix: expected finite numbers, got one that is not");
}

}  // namespace

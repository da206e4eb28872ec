// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/linalg/leading_svd.hpp>

#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::Index;

TEST_CASE("a basis and a triangle of Householder's give the matrix back",
          "[dense_decompositions]") {
  LORAPRO_TEST_RANDOM(random, 3012);
  for (const auto& [rows, cols] : {std::pair<Index, Index>{8, 5}, {5, 5}, {40, 1}}) {
    CAPTURE(rows, cols);
    const Eigen::MatrixXd M = reference::rounded<double>(random.matrix(rows, cols));
    const Eigen::MatrixXd Q = lorapro::orthonormal_columns(M), R = lorapro::triangular_factor(M);
    CHECK((Q.transpose() * Q - Eigen::MatrixXd::Identity(cols, cols)).norm() <= 1e-13);
    CHECK((Q * R - M).norm() <= 1e-13 * M.norm());
    CHECK(R.isUpperTriangular(0));
  }
}

TEST_CASE("the triangle of a wide matrix has its inner products, and a basis is completed",
          "[dense_decompositions]") {
  LORAPRO_TEST_RANDOM(random, 3013);
  const Eigen::MatrixXd M = reference::rounded<double>(random.matrix(3, 7));
  const Eigen::MatrixXd R = lorapro::triangular_factor(M);
  REQUIRE(R.rows() == 3);
  CHECK((R.transpose() * R - M.transpose() * M).norm() <= 1e-13 * M.squaredNorm());
  Eigen::MatrixXd dependent = Eigen::MatrixXd::Zero(6, 3);
  dependent.col(0).setOnes();
  const Eigen::MatrixXd Q = lorapro::orthonormal_columns(dependent);
  CHECK((Q.transpose() * Q - Eigen::MatrixXd::Identity(3, 3)).norm() <= 1e-13);
  CHECK((Q * (Q.transpose() * dependent) - dependent).norm() <= 1e-13);
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/layer/init_matrices.hpp>
#include <lorapro/layer/int8_weight.hpp>

#include <limits>  // std::numeric_limits

#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::Index;
using lorapro::LeadingSvd;
namespace init_detail = lorapro::detail;
using InitMatrix = lorapro::RowMatrix<double>;

TEST_CASE("a matrix of any order is a class of weights", "[init_matrices]") {
  LORAPRO_TEST_RANDOM(random, 3121);
  const Eigen::MatrixXf columns = reference::rounded<float>(random.matrix(5, 8));
  const init_detail::ViewWeight<float> weight{lorapro::make_view(columns)};
  InitMatrix block = InitMatrix::Zero(2, 9);
  weight.decode(1, 2, 3, 4, block.data(), 9);
  CHECK(block.leftCols(4) == columns.block(1, 3, 2, 4).cast<double>());
  CHECK(block.rightCols(5).isZero(0));
  CHECK(init_detail::finite_columns("W", weight, 3) == columns.leftCols(3).cast<double>());
}

TEST_CASE("triplets of a weight are the same with a copy and without", "[init_matrices]") {
  LORAPRO_TEST_RANDOM(random, 3122);
  const InitMatrix M = reference::rounded<double>(random.matrix(9, 12));
  const init_detail::ViewWeight<double> weight{lorapro::make_view(M)};
  const LeadingSvd exact = init_detail::leading_svd("W", weight, 3, std::nullopt),
                   found = init_detail::leading_svd("W", weight, 3, lorapro::RandomizedSvd{});
  CHECK((found.left - exact.left).norm() <= 1e-12);
  CHECK((found.right - exact.right).norm() <= 1e-12);
  // B A is the same for both signs, and its shares are equal.
  for (const double c : {2.0, -2.0}) {
    InitMatrix A(3, 12), B(9, 3);
    init_detail::share_svd(exact, c, lorapro::make_view(A), lorapro::make_view(B));
    CHECK((c * B * A - exact.left * exact.values.asDiagonal() * exact.right.transpose()).norm() <=
          1e-14 * M.norm());
    CHECK((A * A.transpose() - B.transpose() * B).norm() <= 1e-14 * M.norm());
    CHECK(B.col(0).maxCoeff() >= -B.col(0).minCoeff());
  }
}

TEST_CASE("what an initialiser lacks is said", "[init_matrices]") {
  InitMatrix M = InitMatrix::Ones(4, 7);
  CHECK_NOTHROW(init_detail::check_rank("X", 2, 2, 4, 7));
  CHECK_THROWS_WITH(init_detail::check_rank("X", 3, 2, 4, 7),
                    "rank: expected at most 2 for X of (4, 7), got 3");
  CHECK_NOTHROW(init_detail::check_can_change("X", lorapro::BaseWeight<double>::map_writable(M)));
  CHECK_THROWS_WITH(init_detail::check_can_change("X", lorapro::Int8Weight::quantize(M)),
                    "base_weight: expected a floating-point W0 for X, which changes it, got int8");
  M(3, 6) = -std::numeric_limits<double>::infinity();
  const init_detail::ViewWeight<double> weight{lorapro::make_view(std::as_const(M))};
  CHECK_NOTHROW(init_detail::finite_columns("W", weight, 6));
  CHECK_THROWS_WITH(init_detail::finite_columns("W", weight, 7),
                    "W: expected finite numbers, got another at (3, 6)");
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/linalg/leading_svd.hpp>

#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::Index;
using lorapro::LeadingSvd;
using reference::real;
using reference::RealMatrix;

TEST_CASE("leading triplets are those of the oracle", "[leading_svd]") {
  LORAPRO_TEST_RANDOM(random, 3011);
  const Index shapes[][2] = {{5, 8}, {8, 5}, {40, 25}, {1, 3}};
  for (const auto& shape : shapes) {
    CAPTURE(shape[0], shape[1]);
    const Eigen::MatrixXd M = reference::rounded<double>(random.matrix(shape[0], shape[1]));
    const Index count = (std::min)(shape[0], shape[1]);
    const LeadingSvd svd = lorapro::leading_svd(M, count);
    std::vector<reference::Real> values = reference::svd(real(M)).values;
    std::sort(values.rbegin(), values.rend());
    for (Index k = 0; k < count; ++k)
      CHECK(svd.values(k) ==
            Approx(static_cast<double>(values[static_cast<std::size_t>(k)])).epsilon(1e-13));
    const auto one = Eigen::MatrixXd::Identity(count, count);
    CHECK((svd.left.transpose() * svd.left - one).norm() <= 1e-13);
    CHECK((svd.right.transpose() * svd.right - one).norm() <= 1e-13);
    CHECK((svd.left * svd.values.asDiagonal() * svd.right.transpose() - M).norm() <=
          1e-13 * M.norm());
    const LeadingSvd first = lorapro::leading_svd(M, 1);
    CHECK(first.left == svd.left.leftCols(1));
    CHECK(first.right == svd.right.leftCols(1));
  }
}

TEST_CASE("columns are turned by the first of their largest entries", "[leading_svd]") {
  Eigen::MatrixXd leader(3, 3), follower(1, 3);
  leader << 1, -3, -2,  //
      -2, 2, 2,         //
      2, 3, 1;
  follower << 5, 6, 7;
  lorapro::orient_columns(leader, follower);
  Eigen::MatrixXd leader_after(3, 3), follower_after(1, 3);
  leader_after << -1, 3, 2,  //
      2, -2, -2,             //
      -2, -3, -1;
  follower_after << -5, -6, -7;
  CHECK(leader == leader_after);
  CHECK(follower == follower_after);
}

}  // namespace

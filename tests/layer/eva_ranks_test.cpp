// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/layer/eva_ranks.hpp>

#include "support/catch.hpp"

namespace {

using lorapro::Index;

TEST_CASE("ranks go where most of the variance is explained", "[eva_ranks]") {
  Eigen::VectorXd steep(4), flat(4), still = Eigen::VectorXd::Zero(4);
  steep << 0.9, 0.05, 0.02, 0.01;
  flat << 0.2, 0.19, 0.18, 0.17;
  const std::vector<Eigen::VectorXd> ratios{still, steep, flat};
  using Ranks = std::vector<Index>;
  CHECK(lorapro::eva_ranks(ratios, 6) == Ranks{0, 2, 4});
  CHECK(lorapro::eva_ranks(ratios, 3) == Ranks{0, 1, 2});
  CHECK(lorapro::eva_ranks(ratios, 0) == Ranks{0, 0, 0});
  CHECK(lorapro::eva_ranks(ratios, 12) == Ranks{4, 4, 4});
  // Of equal components those of the first layer.
  CHECK(lorapro::eva_ranks({flat, flat}, 3) == Ranks{2, 1});
  CHECK(lorapro::eva_ranks({}, 0).empty());
  CHECK_THROWS_WITH(lorapro::eva_ranks(ratios, 13),
                    "budget: expected a number from 0 to that of all components, got 13");
  CHECK_THROWS_AS(lorapro::eva_ranks(ratios, -1), lorapro::ConfigError);
}

}  // namespace

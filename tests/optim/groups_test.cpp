// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/groups.hpp>

#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace {

using lorapro::GroupConfig;
using lorapro::detail::Groups;

GroupConfig with(double lr, double weight_decay = 0, double max_grad_norm = 1) {
  GroupConfig config;
  config.lr = lr;
  config.weight_decay = weight_decay;
  config.max_grad_norm = max_grad_norm;
  return config;
}

TEST_CASE("groups are numbered as they are added", "[groups]") {
  Groups groups({with(1)});
  CHECK(groups.add(with(2)).index == 1);
  CHECK(groups.size() == 2);
  CHECK(groups.at({1}).config.lr == 2);
  CHECK(groups[0].config.lr == 1);
  CHECK(message_of<lorapro::StateError>([&] { groups.at({2}); }) ==
        "group: expected one of 2 groups, got number 2");
  CHECK_THROWS_AS(groups.check_known({-1}), lorapro::StateError);
  CHECK_THROWS_AS(groups.add(with(-1)), lorapro::ConfigError);
  CHECK(groups.size() == 2);
  CHECK_THROWS_AS(Groups({}), lorapro::ConfigError);
}

TEST_CASE("no step decays a parameter beyond zero", "[groups]") {
  const Groups groups({with(1), with(0.5, 4)});
  CHECK_NOTHROW(groups.check_decay(0.5));
  CHECK_THROWS_AS(groups.check_decay(0.51), lorapro::ConfigError);
}

TEST_CASE("each group is clipped by its own norm", "[groups]") {
  Groups groups({with(1, 0, 1), with(1, 0, 10)});
  groups.clear_norms();
  groups[0].squared_norm = 16;
  groups[1].squared_norm = 9;
  lorapro::StepReport report;
  groups.set_clips(report);
  CHECK(groups[0].clip == 0.25);
  CHECK(groups[1].clip == 1);
  CHECK(report.clip_factor == 0.25);
  CHECK(report.grad_norm == 5);
  groups.clear_norms();
  groups.set_clips(report);
  CHECK(groups[0].clip == 1);
}

}  // namespace

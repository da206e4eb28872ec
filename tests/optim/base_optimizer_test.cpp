// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/base_optimizer.hpp>

#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/muon_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;

TEST_CASE("an optimizer is passed without its rule", "[base_optimizer]") {
  lorapro::Optimizer<float, lorapro::MuonRule> typed;
  BaseOptimizer<float> plain(lorapro::runtime_rule<float, lorapro::MuonRule>(), {});
  Quadratic<float> one, two;
  const auto train = [](BaseOptimizer<float>& optimizer, Quadratic<float>& problem) {
    problem.attach(optimizer);
    problem.train(optimizer, 3);
  };
  train(typed, one);
  train(plain, two);
  CHECK(one.same(two));
  CHECK(state_of(typed) == state_of(plain));
  CHECK(plain.rule() == "muon");
  CHECK(*plain.config().beta1 == 0.95);
}

TEST_CASE("an optimizer tells the options of its groups", "[base_optimizer]") {
  lorapro::OptimizerConfig config;
  config.group.lr = 0.5;
  BaseOptimizer<float> optimizer(lorapro::runtime_rule<float, lorapro::AdamWRule>(), config);
  lorapro::GroupConfig second;
  second.lr = 0.25;
  optimizer.add_group(second);
  REQUIRE(optimizer.groups().size() == 2);
  CHECK(optimizer.groups()[0].lr == 0.5);
  CHECK(optimizer.groups()[1].lr == 0.25);
  config.beta2 = 1;
  CHECK_THROWS_AS(BaseOptimizer<float>(lorapro::runtime_rule<float, lorapro::AdamWRule>(), config),
                  lorapro::ConfigError);
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/lion_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::LionRule;

TEST_CASE("Lion steps by the sign of an average that its momentum lags behind", "[lion_rule]") {
  lorapro::OptimizerConfig config;
  config.group.lr = 0.25;
  config.group.weight_decay = 0.5;
  config.beta1 = 0.5;
  config.beta2 = 0.75;
  double value = 2, grad = 0, exp_avg = 0, expected = 2;
  lorapro::Optimizer<double, LionRule> optimizer(config);
  optimizer.attach(lorapro::DenseView<double>{&value, &grad, 1}, {}, "w");
  for (const double g : {8.0, -2.0, -4.0, 0.0, 16.0, -1.0}) {
    grad = g;
    REQUIRE(optimizer.step({4.0, 1}).updated == 1);
    const double scaled = g / 4, direction = 0.5 * exp_avg + 0.5 * scaled;
    expected = 0.875 * expected - 0.25 * ((direction > 0) - (direction < 0));
    exp_avg = 0.75 * exp_avg + 0.25 * scaled;
    CHECK(value == expected);  // powers of two: exact
    CHECK(tensor_of<double>(state_of(optimizer), "w.exp_avg", 1, 1)(0, 0) == exp_avg);
  }
}

TEST_CASE("Lion passes the battery", "[lion_rule]") {
  lorapro::OptimizerConfig config;
  config.group.lr = 0.01;
  config.beta2 = 0.99;
  run<LionRule, float>(config, 300, 0.2, true);
}

}  // namespace

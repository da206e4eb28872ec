// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/sgd_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::OptimizerConfig;
using lorapro::SgdRule;

TEST_CASE("SgdRule is A minus lr times its gradient, in integers", "[sgd_rule]") {
  OptimizerConfig config;
  config.group.lr = 1;
  PairBuffers<float> pair(5, 4, 2, 3.0, 1);
  pair.A.setConstant(7);
  pair.B.setConstant(-2);
  for (Index i = 0; i < pair.grad_A.size(); ++i) pair.grad_A.data()[i] = static_cast<float>(i);
  for (Index i = 0; i < pair.grad_B.size(); ++i) pair.grad_B.data()[i] = static_cast<float>(-i);
  lorapro::Optimizer<float, SgdRule> optimizer(config);
  optimizer.attach(pair.view());
  REQUIRE(optimizer.step().updated == 1);
  REQUIRE(optimizer.step({2.0, 2}).updated == 1);  // a quarter of the gradient once more
  for (Index i = 0; i < pair.A.size(); ++i) CHECK(pair.A.data()[i] == 7 - 1.25F * float(i));
  for (Index i = 0; i < pair.B.size(); ++i) CHECK(pair.B.data()[i] == -2 + 1.25F * float(i));
}

TEST_CASE("SgdRule follows its reference", "[sgd_rule]") {
  OptimizerConfig config;
  config.group.lr = 0.1;
  config.group.weight_decay = 0.5;
  for (const Case& c : ragged_cases()) {
    follow_reference<SgdRule, float>(Kind::sgd, c, config, 3);
    follow_reference<SgdRule, double>(Kind::sgd, c, config, 3);
  }
}

TEST_CASE("SgdRule clips both norms alike", "[sgd_rule]") {
  OptimizerConfig config;
  config.group.lr = 0.1;
  config.group.max_grad_norm = 3;
  for (const auto norm : {lorapro::ClipNorm::equivalent_gradient, lorapro::ClipNorm::adapter}) {
    config.group.clip_norm = norm;
    follow_reference<SgdRule, double>(Kind::sgd, {12, 20, 4, 0.5}, config, 3);
  }
}

TEST_CASE("SgdRule passes the battery", "[sgd_rule]") {
  OptimizerConfig config;
  config.group.lr = 0.01;
  run<SgdRule, float>(config, 300, 0.1, false);
}

TEST_CASE("SgdRule keeps no state", "[sgd_rule]") {
  Quadratic<double> problem;
  lorapro::Optimizer<double, SgdRule> optimizer;
  problem.attach(optimizer);
  CHECK(optimizer.state_bytes() == 0);
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/scaled_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::ScaledAdamWRule;
using lorapro::ScaledGdRule;

TEST_CASE("ScaledGD passes the battery", "[scaled_rule]") {
  lorapro::OptimizerConfig config;
  config.group.lr = 0.3;
  run<ScaledGdRule, float>(config, 150, 0.1, false);
}

TEST_CASE("ScaledAdamW passes the battery", "[scaled_rule]") {
  lorapro::OptimizerConfig config;
  config.group.lr = 0.03;
  run<ScaledAdamWRule, float>(config, 150, 0.1, true);
}

TEST_CASE("undamped ScaledGD does not see how W is factorised", "[scaled_rule]") {
  const auto& rule = lorapro::runtime_rule<double, ScaledGdRule>();
  const RealMatrix plain = trained_from(rule, {}, 0);
  CHECK(max_abs(trained_from(rule, Split::mixed(), 0) - plain) < 1e-12 * max_abs(plain));
  // With damping it does, but for rotations.
  const RealMatrix damped = trained_from(rule, {}, 0.1);
  CHECK(max_abs(trained_from(rule, Split::mixed(), 0.1) - damped) > 1e-4);
  CHECK(max_abs(trained_from(rule, Split::turned(0.6, 0.8), 0.1) - damped) < 1e-12);
}

TEST_CASE("[trap] a start from B = 0 leaves A alone", "[scaled_rule][trap]") {
  PairBuffers<float> pair(12, 9, 2, 0.5, 3, 0.0);
  const PairBuffers<float> before = pair;
  lorapro::Optimizer<float, ScaledGdRule> optimizer;
  optimizer.attach(pair.view());
  pair.backpropagate(random_matrix(12, 9, 5));
  CHECK(optimizer.step().rank_deficient == 1);
  CHECK(same_bits(pair.A, before.A));
  CHECK_FALSE(same_bits(pair.B, before.B));
}

}  // namespace

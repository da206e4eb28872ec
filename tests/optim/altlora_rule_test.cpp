// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/altlora_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::AltLoraPlusRule;
using lorapro::AltLoraRule;

TEST_CASE("AltLoRA passes the battery", "[altlora_rule]") {
  lorapro::OptimizerConfig config;
  config.group.lr = 0.3;
  run_one_sided<AltLoraRule, float>(config, 150, 0.1, true);
}

TEST_CASE("AltLoRA+ passes the battery", "[altlora_rule]") {
  lorapro::OptimizerConfig config;
  config.group.lr = 0.03;
  run_one_sided<AltLoraPlusRule, float>(config, 200, 0.1, true);
}

TEST_CASE("AltLoRA moves one factor at a time, A first", "[altlora_rule]") {
  check_alternation(lorapro::runtime_rule<float, AltLoraRule>(), lorapro::Side::A);
  check_alternation(lorapro::runtime_rule<float, AltLoraPlusRule>(), lorapro::Side::A);
}

TEST_CASE("undamped AltLoRA sees neither s nor how W is factorised", "[altlora_rule]") {
  const auto& rule = lorapro::runtime_rule<double, AltLoraRule>();
  const auto& plus_rule = lorapro::runtime_rule<double, AltLoraPlusRule>();
  Split scaled;
  scaled.k = 4;
  for (const double deviation_B : {1.0, 0.0}) {
    const RealMatrix plain = trained_from(rule, {}, 0, deviation_B);
    for (const Split& split : {Split::mixed(), scaled})
      CHECK(max_abs(trained_from(rule, split, 0, deviation_B) - plain) < 1e-11 * max_abs(plain));
  }
  const RealMatrix damped = trained_from(rule, {}, 0.1);
  CHECK(max_abs(trained_from(rule, Split::mixed(), 0.1) - damped) > 1e-4);
  CHECK(max_abs(trained_from(rule, Split::turned(0.6, 0.8), 0.1) - damped) < 1e-12);
  const RealMatrix plus = trained_from(plus_rule, {}, 0.1);
  CHECK(max_abs(trained_from(plus_rule, Split::turned(0, -1), 0.1) - plus) < 1e-12);
}

TEST_CASE("[trap] a start from B = 0 leaves A alone, and damping what B becomes",
          "[altlora_rule][trap]") {
  PairBuffers<float> pair(8, 9, 8, 0.5, 3, 0.0);
  const PairBuffers<float> before = pair;
  lorapro::Optimizer<float, AltLoraPlusRule> optimizer;
  optimizer.attach(pair.view());
  pair.backpropagate(random_matrix(8, 9, 5));
  CHECK(optimizer.step().rank_deficient == 1);
  CHECK(same_bits(pair.A, before.A));
  pair.backpropagate(random_matrix(8, 9, 6));
  // Of elements of equal size, the sign of the gradient's: this one has four equal columns.
  for (Index k = 1; k < 4; ++k) pair.grad_B.col(k) = pair.grad_B.col(0);
  CHECK(optimizer.step().updated == 1);
  pair.backpropagate(random_matrix(8, 9, 7));
  CHECK(optimizer.step().updated == 1);
  CHECK(max_abs(pair.factors().A - before.factors().A) < 0.1);
}

}  // namespace

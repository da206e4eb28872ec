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

template <typename Rule>
void check_alternation() {
  PairBuffers<float> pair(12, 9, 2, 0.5, 3);
  lorapro::OptimizerConfig config;
  config.group.weight_decay = 0.1;
  lorapro::Optimizer<float, Rule> optimizer(config);
  optimizer.attach(pair.view());
  for (std::uint64_t t = 1; t <= 4; ++t) {
    const PairBuffers<float> before = pair;
    pair.backpropagate(random_matrix(12, 9, t));
    CHECK(optimizer.step().updated == 1);
    CHECK(same_bits(pair.A, before.A) == (t % 2 == 0));
    CHECK(same_bits(pair.B, before.B) == (t % 2 == 1));
  }
}

TEST_CASE("AltLoRA moves one factor at a time, A first", "[altlora_rule]") {
  check_alternation<AltLoraRule>();
  check_alternation<AltLoraPlusRule>();
}

/// s B A after some steps from (B T, T^-1 A) at scaling 1 / 2, or k times it.
template <typename Rule>
RealMatrix altlora_trained(const RealMatrix& T, const RealMatrix& inverse, double damping,
                           double deviation_B = 1, double k = 1) {
  PairBuffers<double> pair(12, 9, 2, 0.5 * k, 3, deviation_B);
  pair.A = rounded<double>(product(inverse, pair.factors().A));
  pair.B = rounded<double>(product(pair.factors().B, T) / Real(k));
  lorapro::OptimizerConfig config;
  config.group.lr = 0.05;
  config.group.weight_decay = 0.1;
  config.damping = damping;
  lorapro::Optimizer<double, Rule> optimizer(config);
  optimizer.attach(pair.view());
  for (std::uint64_t t = 0; t < 10; ++t) {
    pair.backpropagate(random_matrix(12, 9, 40 + t));
    REQUIRE(optimizer.step().updated == 1);
  }
  return pair.delta_W();
}

TEST_CASE("undamped AltLoRA sees neither s nor how W is factorised", "[altlora_rule]") {
  RealMatrix T(2, 2), inverse(2, 2), turn(2, 2), swap(2, 2);
  T << 2, 1, 1, 1;
  inverse << 1, -1, -1, 2;
  turn << 0.6, 0.8, -0.8, 0.6;
  swap << 0, -1, 1, 0;
  const RealMatrix identity = RealMatrix::Identity(2, 2);
  for (const double deviation_B : {1.0, 0.0}) {
    const RealMatrix plain = altlora_trained<AltLoraRule>(identity, identity, 0, deviation_B);
    CHECK(max_abs(altlora_trained<AltLoraRule>(T, inverse, 0, deviation_B) - plain) <
          1e-11 * max_abs(plain));
    CHECK(max_abs(altlora_trained<AltLoraRule>(identity, identity, 0, deviation_B, 4) - plain) <
          1e-11 * max_abs(plain));
  }
  const RealMatrix damped = altlora_trained<AltLoraRule>(identity, identity, 0.1);
  CHECK(max_abs(altlora_trained<AltLoraRule>(T, inverse, 0.1) - damped) > 1e-4);
  CHECK(max_abs(altlora_trained<AltLoraRule>(turn, transposed(turn), 0.1) - damped) < 1e-12);
  const RealMatrix plus = altlora_trained<AltLoraPlusRule>(identity, identity, 0.1);
  CHECK(max_abs(altlora_trained<AltLoraPlusRule>(swap, transposed(swap), 0.1) - plus) < 1e-12);
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

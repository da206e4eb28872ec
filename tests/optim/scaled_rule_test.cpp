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

/// s B A after some steps from (B T, T^-1 A).
RealMatrix trained(const RealMatrix& T, const RealMatrix& inverse, double damping) {
  PairBuffers<double> pair(12, 9, 2, 0.5, 3);
  pair.A = rounded<double>(product(inverse, pair.factors().A));
  pair.B = rounded<double>(product(pair.factors().B, T));
  lorapro::OptimizerConfig config;
  config.group.lr = 0.05;
  config.group.weight_decay = 0.1;
  config.damping = damping;
  lorapro::Optimizer<double, ScaledGdRule> optimizer(config);
  optimizer.attach(pair.view());
  for (std::uint64_t t = 0; t < 10; ++t) {
    pair.backpropagate(random_matrix(12, 9, 40 + t));
    REQUIRE(optimizer.step().updated == 1);
  }
  return pair.delta_W();
}

TEST_CASE("undamped ScaledGD does not see how W is factorised", "[scaled_rule]") {
  RealMatrix T(2, 2), inverse(2, 2);
  T << 2, 1, 1, 1;
  inverse << 1, -1, -1, 2;
  const RealMatrix identity = RealMatrix::Identity(2, 2);
  const RealMatrix plain = trained(identity, identity, 0);
  CHECK(max_abs(trained(T, inverse, 0) - plain) < 1e-12 * max_abs(plain));
  // With damping it does, but for rotations.
  CHECK(max_abs(trained(T, inverse, 0.1) - trained(identity, identity, 0.1)) > 1e-4);
  RealMatrix turn(2, 2);
  turn << 0.6, 0.8, -0.8, 0.6;
  CHECK(max_abs(trained(turn, transposed(turn), 0.1) - trained(identity, identity, 0.1)) < 1e-12);
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

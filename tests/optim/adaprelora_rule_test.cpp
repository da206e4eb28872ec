// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/adaprelora_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::AdaPreLoraRule;

TEST_CASE("AdaPreLoRA passes the battery", "[adaprelora_rule]") {
  lorapro::OptimizerConfig config;
  config.group.lr = 0.3;
  config.schedule = lorapro::LrSchedule::linear(0, 151);
  run<AdaPreLoraRule, float>(config, 150, 0.1, true);
}

TEST_CASE("AdaPreLoRA does not see how W is factorised, nor the scale of the loss",
          "[adaprelora_rule]") {
  const auto& rule = lorapro::runtime_rule<double, AdaPreLoraRule>();
  for (const double deviation_B : {1.0, 0.0}) {
    const RealMatrix plain = trained_from(rule, {}, 0.1, deviation_B);
    CHECK(max_abs(trained_from(rule, Split::mixed(), 0.1, deviation_B) - plain) <
          1e-11 * max_abs(plain));
    CHECK(max_abs(trained_from(rule, {}, 0.1, deviation_B, 1e6) - plain) < 1e-11 * max_abs(plain));
  }
}

TEST_CASE("[trap] AdaPreLoRA from B = 0 leaves A alone", "[adaprelora_rule][trap]") {
  PairBuffers<float> pair(12, 9, 2, 0.5, 3, 0.0);
  const PairBuffers<float> before = pair;
  lorapro::Optimizer<float, AdaPreLoraRule> optimizer;
  optimizer.attach(pair.view());
  pair.backpropagate(random_matrix(12, 9, 5));
  CHECK(optimizer.step().rank_deficient == 1);
  CHECK(same_bits(pair.A, before.A));
  CHECK_FALSE(same_bits(pair.B, before.B));
}

TEST_CASE("[trap] rows and columns without gradients stay, and nothing overflows",
          "[adaprelora_rule][trap]") {
  PairBuffers<float> pair(12, 9, 2, 0.5, 3), before = pair;
  lorapro::Optimizer<float, AdaPreLoraRule> optimizer;
  optimizer.attach(pair.view());
  RealMatrix G = random_matrix(12, 9, 5);
  G.row(3).setZero();
  G.col(4).setZero();
  for (const double size : {1.0, 1e-18, 0.0}) {
    CAPTURE(size);
    before = pair;
    pair.backpropagate(G, size);
    pair.grad_A.col(4).setZero();
    pair.grad_B.row(3).setZero();
    CHECK(optimizer.step().updated == 1);
    CHECK(pair.factors().A.allFinite());
    CHECK(pair.factors().B.allFinite());
    CHECK(max_abs(pair.factors().A - before.factors().A) < 0.1);
    CHECK(max_abs(pair.factors().B - before.factors().B) < 0.1);
  }
  // A column that only now has a gradient, against one whose energy the others share.
  pair.backpropagate(random_matrix(12, 9, 6));
  before = pair;
  CHECK(optimizer.step().updated == 1);
  CHECK(max_abs(pair.factors().A - before.factors().A) < 1);
}

TEST_CASE("AdaPreLoRA clips by the equivalent gradient", "[adaprelora_rule]") {
  // The first step does not depend on the size of the gradient, the second on that of the first.
  const auto second_step = [](double first, double clip) {
    PairBuffers<double> pair(12, 9, 2, 0.5, 3);
    lorapro::OptimizerConfig config;
    config.group.clip_norm = lorapro::ClipNorm::equivalent_gradient;
    config.group.max_grad_norm = clip;
    lorapro::Optimizer<double, AdaPreLoraRule> optimizer(config);
    optimizer.attach(pair.view());
    pair.backpropagate(random_matrix(12, 9, 5), first);
    const double norm = optimizer.step().grad_norm;
    pair.backpropagate(random_matrix(12, 9, 6), 1e-3);
    REQUIRE(optimizer.step().updated == 1);
    return std::make_pair(pair.delta_W(), norm);
  };
  const auto clipped = second_step(1, 0.5), small = second_step(0.5 / clipped.second, 1e9);
  CHECK(max_abs(clipped.first - small.first) < 1e-13);
}

}  // namespace

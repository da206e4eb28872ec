// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/lora_fa_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::LoraFaRule;

TEST_CASE("LoRA-FA passes the battery", "[lora_fa_rule]") {
  lorapro::OptimizerConfig config;
  config.group.lr = 0.03;
  // What A cannot reach stays of the loss.
  run_one_sided<LoraFaRule, float>(config, 150, 0.9, true);
}

TEST_CASE("LoRA-FA leaves A alone, decay included", "[lora_fa_rule]") {
  PairBuffers<float> pair(12, 9, 2, 0.5, 3);
  const PairBuffers<float> before = pair;
  lorapro::OptimizerConfig config;
  config.group.weight_decay = 0.5;
  lorapro::Optimizer<float, LoraFaRule> optimizer(config);
  optimizer.attach(pair.view());
  for (std::uint64_t t = 0; t < 3; ++t) {
    pair.backpropagate(random_matrix(12, 9, 5 + t));
    CHECK(optimizer.step().updated == 1);
  }
  CHECK(same_bits(pair.A, before.A));
  CHECK_FALSE(same_bits(pair.B, before.B));
}

TEST_CASE("what enters LoRA-FA's AdamW does not depend on the scale of A or on alpha",
          "[lora_fa_rule]") {
  // (B, A) of scaling 1 against (4 B, A / 2) of scaling 1/2: the gradient of B is divided by 4, and
  // the step of 4 B is to be four times as large.
  PairBuffers<double> one(12, 9, 2, 1.0, 3), two = one;
  two.A /= 2;
  two.B *= 4;
  two.scaling = 0.5;
  lorapro::OptimizerConfig config;
  config.eps = 1e-30;
  lorapro::Optimizer<double, LoraFaRule> first(config), second(config);
  config.group.lr *= 4;
  second.set_group(config.group);
  first.attach(one.view());
  second.attach(two.view());
  for (std::uint64_t t = 0; t < 5; ++t) {
    one.backpropagate(random_matrix(12, 9, 5 + t));
    two.backpropagate(random_matrix(12, 9, 5 + t));
    REQUIRE(first.step().updated == 1);
    REQUIRE(second.step().updated == 1);
  }
  CHECK(max_abs(one.delta_W() - two.delta_W()) < 1e-13 * max_abs(one.delta_W()));
}

TEST_CASE("[trap] an A that has lost rank moves B along what is left", "[lora_fa_rule][trap]") {
  PairBuffers<float> pair(12, 9, 2, 0.5, 3);
  pair.A.row(1) = 2 * pair.A.row(0);
  pair.backpropagate(random_matrix(12, 9, 5));
  const PairBuffers<float> before = pair;
  lorapro::Optimizer<float, LoraFaRule> optimizer;
  optimizer.attach(pair.view());
  const auto report = optimizer.step();
  CHECK(report.updated == 1);
  CHECK(report.rank_deficient == 1);
  CHECK(max_abs(pair.factors().B - before.factors().B) < 1.01e-3);
  pair.A.setZero();
  pair.backpropagate(random_matrix(12, 9, 5));
  lorapro::Optimizer<float, LoraFaRule> other;
  other.attach(pair.view());
  const PairBuffers<float> still = pair;
  CHECK(other.step().updated == 1);
  CHECK(same_parameters(pair, still));
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/reflora_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::AdamWRule;
using lorapro::RefLoraRule;

lorapro::OptimizerConfig reflora_config(double lr) {
  lorapro::OptimizerConfig config;
  config.group.lr = lr;
  config.group.weight_decay = 0.1;
  return config;
}

TEST_CASE("RefLoRA passes the battery", "[reflora_rule]") {
  run<RefLoraRule<0>, float>(reflora_config(0.03), 150, 0.1, true);
}

/// The pair after some steps with gradients that depend on it.
template <typename Rule>
PairBuffers<double> reflora_trained(PairBuffers<double> pair, int steps) {
  lorapro::Optimizer<double, Rule> optimizer(reflora_config(0.01));
  optimizer.attach(pair.view());
  for (int t = 0; t < steps; ++t) {
    pair.backpropagate(random_matrix(pair.B.rows(), pair.A.cols(), 40 + std::uint64_t(t)));
    REQUIRE(optimizer.step().updated == 1);
  }
  return pair;
}

TEST_CASE("RefLoRA is AdamW during its warm-up", "[reflora_rule]") {
  const PairBuffers<double> pair(12, 9, 3, 0.5, 3);
  CHECK(same_parameters(reflora_trained<RefLoraRule<5>>(pair, 5),
                        reflora_trained<AdamWRule>(pair, 5)));
  CHECK_FALSE(same_parameters(reflora_trained<RefLoraRule<5>>(pair, 6),
                              reflora_trained<AdamWRule>(pair, 6)));
}

TEST_CASE("[trap] RefLoRA is AdamW in the first step from B = 0", "[reflora_rule][trap]") {
  const PairBuffers<double> pair(12, 9, 3, 0.5, 3, 0.0);
  CHECK(same_parameters(reflora_trained<RefLoraRule<0>>(pair, 1),
                        reflora_trained<AdamWRule>(pair, 1)));
  CHECK_FALSE(same_parameters(reflora_trained<RefLoraRule<0>>(pair, 2),
                              reflora_trained<AdamWRule>(pair, 2)));
}

TEST_CASE("RefLoRA is AdamW on a pair that is balanced but for a number", "[reflora_rule]") {
  PairBuffers<double> pair(9, 9, 3, 0.5, 3);
  pair.B = 2 * pair.A.transpose();  // S = 2 I, which AdamW does not see
  const Factors one = reflora_trained<RefLoraRule<0>>(pair, 1).factors(),
                two = reflora_trained<AdamWRule>(pair, 1).factors();
  CHECK(max_abs(one.A - two.A) < 1e-8);
  CHECK(max_abs(one.B - two.B) < 1e-8);
}

TEST_CASE("RefLoRA does not see signs and the order of the rank", "[reflora_rule]") {
  PairBuffers<double> pair(12, 9, 2, 0.5, 3), turned = pair;
  turned.A.row(0) = -pair.A.row(1);
  turned.A.row(1) = pair.A.row(0);
  turned.B.col(0) = -pair.B.col(1);
  turned.B.col(1) = pair.B.col(0);
  const RealMatrix W = reflora_trained<RefLoraRule<0>>(pair, 10).delta_W();
  CHECK(max_abs(reflora_trained<RefLoraRule<0>>(turned, 10).delta_W() - W) < 1e-12);
}

TEST_CASE("[trap] factors whose product of conditions is out of reach", "[reflora_rule][trap]") {
  PairBuffers<double> pair(12, 9, 2, 0.5, 3);
  // Both have their rank, but the small eigenvalue of Q^1/2 P Q^1/2 would be noise.
  pair.A.row(1) = pair.A.row(0) + 1e-7 * pair.A.row(1);
  pair.B.col(1) = pair.B.col(0) + 1e-7 * pair.B.col(1);
  CHECK(same_parameters(reflora_trained<RefLoraRule<0>>(pair, 1),
                        reflora_trained<AdamWRule>(pair, 1)));
}

}  // namespace

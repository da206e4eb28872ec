// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/reflora_s_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::AdamWRule;
using lorapro::RefLoraSRule;

lorapro::OptimizerConfig reflora_s_config(double lr) {
  lorapro::OptimizerConfig config;
  config.group.lr = lr;
  return config;
}

TEST_CASE("RefLoRA-S passes the battery", "[reflora_s_rule]") {
  // Balanced pairs do not move by their rates alone.
  run_one_sided<RefLoraSRule<0>, float>(reflora_s_config(0.03), 150, 0.1, true);
}

TEST_CASE("RefLoRA-S moves by its rates during the warm-up", "[reflora_s_rule]") {
  CHECK(
      moves_follow_rates(lorapro::runtime_rule<float, RefLoraSRule<5>>(), reflora_s_config(0.03)));
}

template <typename Rule, typename T>
PairBuffers<T> reflora_s_trained(PairBuffers<T> pair, int steps) {
  lorapro::Optimizer<std::conditional_t<std::is_same_v<T, bfloat16>, float, T>, Rule> optimizer(
      reflora_s_config(0.01));
  optimizer.attach(pair.view());
  for (int t = 0; t < steps; ++t) {
    pair.backpropagate(random_matrix(pair.B.rows(), pair.A.cols(), 40 + std::uint64_t(t)));
    REQUIRE(optimizer.step().updated == 1);
  }
  return pair;
}

TEST_CASE("RefLoRA-S balances the norms and leaves W as AdamW made it", "[reflora_s_rule]") {
  const PairBuffers<double> pair(12, 9, 3, 0.5, 3, 0.1);
  const auto balanced = reflora_s_trained<RefLoraSRule<3>>(pair, 3),
             plain = reflora_s_trained<AdamWRule>(pair, 3);
  CHECK(max_abs(balanced.delta_W() - plain.delta_W()) < 1e-14);
  CHECK(balanced.A.norm() == Approx(balanced.B.norm()).epsilon(1e-14));
  CHECK(same_parameters(reflora_s_trained<RefLoraSRule<4>>(pair, 3), plain));
  const auto later = reflora_s_trained<RefLoraSRule<3>>(pair, 9);
  CHECK(later.A.norm() == Approx(later.B.norm()).epsilon(1e-14));
}

TEST_CASE("RefLoRA-S without a warm-up does not see the scale of A against B", "[reflora_s_rule]") {
  const PairBuffers<double> pair(12, 9, 3, 0.5, 3);
  PairBuffers<double> scaled = pair;
  scaled.A *= 8;
  scaled.B /= 8;
  const RealMatrix W = reflora_s_trained<RefLoraSRule<0>>(pair, 10).delta_W();
  CHECK(max_abs(reflora_s_trained<RefLoraSRule<0>>(scaled, 10).delta_W() - W) < 1e-13);
}

TEST_CASE("RefLoRA-S scales the masters of factors in bfloat16", "[reflora_s_rule]") {
  const PairBuffers<bfloat16> pair(12, 9, 3, 0.5, 3, 0.1);
  const auto after = reflora_s_trained<RefLoraSRule<0>>(pair, 4);
  CHECK(static_cast<double>(squared_norm(after.factors().A)) ==
        Approx(static_cast<double>(squared_norm(after.factors().B))).epsilon(1e-2));
}

TEST_CASE("[trap] RefLoRA-S from B = 0, and where a moment would overflow",
          "[reflora_s_rule][trap]") {
  PairBuffers<float> pair(12, 9, 2, 0.5, 3, 0.0);
  const auto first = reflora_s_trained<RefLoraSRule<0>>(pair, 1);
  CHECK(first.A.norm() == Approx(first.B.norm()).epsilon(1e-5));
  // Nothing has moved, and nothing can be balanced.
  lorapro::Optimizer<float, RefLoraSRule<0>> still;
  still.attach(pair.view());
  const auto before = pair;
  CHECK(still.step().updated == 1);
  CHECK(same_parameters(pair, before));
  // c^2 = 1e-20 would take the moments of A from 1e35 to infinity.
  pair.A.setConstant(1);
  pair.B.setConstant(1e-20f);
  pair.grad_A.setConstant(1e19f);
  lorapro::Optimizer<float, RefLoraSRule<1>> huge(reflora_s_config(1e-30));
  huge.attach(pair.view());
  CHECK(huge.step().updated == 1);
  CHECK(pair.A(0, 0) == 1);
  CHECK(pair.B(0, 0) == 1e-20f);
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

namespace {

using lorapro::torch_adapter::LoraProParamState;
using lorapro::torch_adapter::StateMap;
using lorapro::torch_adapter::detail::Item;
using lorapro::torch_adapter::detail::state_of;
using lorapro::torch_adapter::detail::TensorEngine;
using support::deviation;
using support::leaf;
using torch::Tensor;
using Options = lorapro::torch_adapter::LoraProOptions;

TEST_CASE("a parameter without factors is stepped by AdamW's formula", "[torch_tensor_engine]") {
  const torch::NoGradGuard no_grad;  // as LoraProOptimizer::step has it
  torch::manual_seed(81);
  const Options options = Options(0.01).weight_decay(0.1).beta1(0.8).beta2(0.9);
  Tensor parameter = leaf({5, 2}, torch::kDouble);
  Tensor w = parameter.detach().clone(), m = torch::zeros_like(w), v = torch::zeros_like(w);
  TensorEngine engine("lora_pro_full");
  engine.add(Item{parameter, {}, 1.0, "parameter 0"});
  StateMap states;
  for (int t = 1; t <= 3; ++t) {
    const Tensor g = torch::randn({5, 2}, torch::kDouble);
    parameter.mutable_grad() = g;
    CHECK(engine.step(options, states).updated == 1);
    m = m * 0.8 + g * (1 - 0.8);
    v = v * 0.9 + g * g * (1 - 0.9);
    const Tensor m_hat = m / (1 - std::pow(0.8, t)), v_hat = v / (1 - std::pow(0.9, t));
    w = w - w * (0.01 * 0.1) - m_hat / (v_hat.sqrt() + 1e-8) * 0.01;
    CHECK(deviation(parameter.detach(), w) < 1e-14);
  }
  const LoraProParamState& state = state_of(states, parameter);
  CHECK(state.step() == 3);
  CHECK(deviation(state.tensor("exp_avg"), m) < 1e-14);
  CHECK(deviation(state.tensor("exp_avg_sq"), v) < 1e-14);
}

TEST_CASE("bad numbers are counted and nothing of theirs is written", "[torch_tensor_engine]") {
  const torch::NoGradGuard no_grad;  // as LoraProOptimizer::step has it
  torch::manual_seed(82);
  Tensor A = leaf({2, 6}, torch::kFloat), B = leaf({5, 2}, torch::kFloat);
  Tensor bias = leaf({4}, torch::kFloat), idle = leaf({3}, torch::kFloat);
  TensorEngine engine("lora_pro_full");
  engine.add(Item{A, B, 2.0, "pair 0"});
  engine.add(Item{bias, {}, 1.0, "parameter 1"});
  engine.add(Item{idle, {}, 1.0, "parameter 2"});
  StateMap states;
  CHECK(engine.step(Options(0.1), states).updated == 0);  // no gradient anywhere
  A.mutable_grad() = torch::full({2, 6}, NAN);
  B.mutable_grad() = torch::ones({5, 2});
  bias.mutable_grad() = torch::ones({4});
  const Tensor before_A = A.detach().clone(), before_B = B.detach().clone();
  const Tensor before_idle = idle.detach().clone();
  auto report = engine.step(Options(0.1), states);
  CHECK(report.updated == 1);
  CHECK(report.skipped_non_finite == 1);
  A.mutable_grad() = torch::full({2, 6}, 3e38F);
  B.mutable_grad() = torch::full({5, 2}, 3e38F);
  report = engine.step(Options(0.1), states);
  CHECK(report.updated == 1);
  CHECK(report.skipped_overflow == 1);
  CHECK(torch::equal(A.detach(), before_A));
  CHECK(torch::equal(B.detach(), before_B));
  CHECK(torch::equal(idle.detach(), before_idle));
  CHECK(state_of(states, A).step() == 0);
  CHECK(state_of(states, bias).step() == 2);
}

TEST_CASE("a parameter that stores less follows its float master", "[torch_tensor_engine]") {
  const torch::NoGradGuard no_grad;  // as LoraProOptimizer::step has it
  torch::manual_seed(83);
  Tensor parameter = leaf({40}, torch::kBFloat16);
  const Tensor before = parameter.detach().clone();
  TensorEngine engine("lora_pro_full");
  engine.add(Item{parameter, {}, 1.0, "parameter 0"});
  CHECK_NOTHROW(engine.check());
  StateMap states;
  for (int step = 0; step < 20; ++step) {
    parameter.mutable_grad() = torch::ones({40}).to(torch::kBFloat16);
    engine.step(Options(1e-4), states);
  }
  const Tensor master = state_of(states, parameter).tensor("master");
  REQUIRE(master.defined());
  CHECK(master.scalar_type() == torch::kFloat);
  CHECK(torch::equal(master.to(torch::kBFloat16), parameter.detach()));
  // Each of the twenty steps is less than half a unit of bfloat16 at 1.
  CHECK(deviation(before.to(torch::kFloat) - 20 * 1e-4, master) < 1e-5);
}

}  // namespace

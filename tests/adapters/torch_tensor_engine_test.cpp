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

TEST_CASE("a parameter without elements is stepped too", "[torch_tensor_engine]") {
  const torch::NoGradGuard no_grad;  // as LoraProOptimizer::step has it
  Tensor empty = leaf({0}, torch::kFloat);
  empty.mutable_grad() = torch::zeros({0});
  TensorEngine engine("lora_pro_full");
  engine.add(Item{empty, {}, 1.0, "parameter 0"});
  StateMap states;
  CHECK(engine.step(Options(0.1), states).updated == 1);
  CHECK(state_of(states, empty).step() == 1);
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

/// Pairs of two shapes, one of them with A = 0, and parameters without factors.
std::vector<Item> mixed_items() {
  torch::manual_seed(84);
  std::vector<Item> items;
  for (const auto& [out, in, scaling] :
       {std::tuple{7, 9, 1.5}, {7, 9, -0.5}, {4, 9, 1.0}, {7, 9, 2.0}, {7, 9, 0.25}})
    items.push_back({leaf({3, in}, torch::kDouble), leaf({out, 3}, torch::kDouble), scaling, "p"});
  const torch::NoGradGuard no_grad;
  items[3].A.zero_();
  for (int i = 0; i < 2; ++i) items.push_back({leaf({6}, torch::kDouble), {}, 1.0, "d"});
  return items;
}

void set_gradients(const std::vector<Item>& items) {
  for (const Item& item : items)
    for (const Tensor& parameter : {item.A, item.B})
      if (parameter.defined())
        Tensor(parameter).mutable_grad() = torch::randn(parameter.sizes(), torch::kDouble);
}

TEST_CASE("items are stepped together as each would be alone", "[torch_tensor_engine]") {
  const torch::NoGradGuard no_grad;  // as LoraProOptimizer::step has it
  const std::string rule =
      GENERATE("lora_pro_spectral", "lora_pro_full", "lora_pro_adapter", "adamw", "sgd");
  CAPTURE(rule);
  const std::vector<Item> together = mixed_items(), alone = mixed_items();
  const Options options = Options(0.01).weight_decay(0.1);
  TensorEngine engine(rule);
  std::vector<std::unique_ptr<TensorEngine>> engines;
  for (std::size_t i = 0; i < together.size(); ++i) {
    engine.add(together[i]);
    engines.push_back(std::make_unique<TensorEngine>(rule));
    engines.back()->add(alone[i]);
  }
  StateMap states, states_alone;
  torch::manual_seed(88);
  for (int t = 0; t < 4; ++t) {
    CAPTURE(t);
    set_gradients(together);
    // In the second step one of a batch is left out, and goes on a step behind the others.
    if (t == 1) together[1].B.grad()[2][1] = INFINITY;
    for (std::size_t i = 0; i < together.size(); ++i)
      for (Tensor Item::*which : {&Item::A, &Item::B})
        if ((together[i].*which).defined())
          Tensor(alone[i].*which).mutable_grad() = (together[i].*which).grad().clone();
    const auto report = engine.step(options, states);
    CHECK(report.updated == (t == 1 ? 6 : 7));
    CHECK(report.skipped_non_finite == (t == 1 ? 1 : 0));
    for (const auto& one : engines) one->step(options, states_alone);
    for (std::size_t i = 0; i < together.size(); ++i) {
      CAPTURE(i);
      CHECK(deviation(together[i].A, alone[i].A) < 1e-12);
      if (together[i].is_pair()) CHECK(deviation(together[i].B, alone[i].B) < 1e-12);
      const LoraProParamState &state = state_of(states, together[i].A),
                              &lone = state_of(states_alone, alone[i].A);
      CHECK(state.step() == lone.step());
      CHECK(state.free_factor() == lone.free_factor());
      REQUIRE(state.tensors().size() == lone.tensors().size());
      for (const auto& [name, tensor] : state.tensors())
        CHECK(deviation(tensor, lone.tensor(name)) < 1e-11);
    }
  }
  CHECK(state_of(states, together[1].A).step() == 3);
  CHECK(state_of(states, together[3].A).free_factor() == (rule.rfind("lora_pro", 0) == 0 ? 1 : 0));
}

TEST_CASE("one overflow does not keep the rest of its batch", "[torch_tensor_engine]") {
  const torch::NoGradGuard no_grad;  // as LoraProOptimizer::step has it
  torch::manual_seed(89);
  std::vector<Item> items;
  TensorEngine engine("lora_pro_full");
  for (int i = 0; i < 3; ++i) {
    items.push_back({leaf({2, 6}, torch::kFloat), leaf({5, 2}, torch::kFloat), 1.0, "p"});
    items[i].A.mutable_grad() = torch::full({2, 6}, i == 1 ? 3e38F : 1.0F);
    items[i].B.mutable_grad() = torch::full({5, 2}, i == 1 ? 3e38F : 1.0F);
    engine.add(items[i]);
  }
  const Tensor before = items[1].A.detach().clone(), other = items[2].A.detach().clone();
  StateMap states;
  const auto report = engine.step(Options(0.1), states);
  CHECK(report.updated == 2);
  CHECK(report.skipped_overflow == 1);
  CHECK(torch::equal(items[1].A.detach(), before));
  CHECK(!torch::equal(items[2].A.detach(), other));
  CHECK(state_of(states, items[1].A).tensors().empty());
}

}  // namespace

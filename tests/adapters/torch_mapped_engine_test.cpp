// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

namespace {

using lorapro::torch_adapter::LoraProOptions;
using lorapro::torch_adapter::StateMap;
using lorapro::torch_adapter::detail::find_state;
using lorapro::torch_adapter::detail::Item;
using lorapro::torch_adapter::detail::make_mapped_engine;
using support::leaf;
using torch::Tensor;

TEST_CASE("an engine is made by the name of its rule", "[torch_mapped_engine]") {
  CHECK_THAT(message_of<lorapro::ConfigError>([] { (void)make_mapped_engine<float>("adam"); }),
             contains_text("rule: expected one of lora_pro_spectral"));
  // SGD: W - lr (g + decay W), in the tensor's own memory.
  Tensor parameter = leaf({3, 4}, torch::kFloat);
  const Tensor before = parameter.detach().clone();
  const void* const at = parameter.data_ptr();
  const auto engine = make_mapped_engine<float>("sgd");
  engine->add(Item{parameter, {}, 1.0, "parameter 0"});
  StateMap states;
  const LoraProOptions options = LoraProOptions(0.25).rule("sgd").weight_decay(0.5);
  CHECK(engine->step(options, states).updated == 0);
  parameter.mutable_grad() = torch::ones({3, 4});
  CHECK(engine->step(options, states).updated == 1);
  CHECK(parameter.data_ptr() == at);
  CHECK(support::deviation(parameter.detach(), before * 0.875 - 0.25) < 1e-6);
}

TEST_CASE("the map has copies of what the rule keeps when it is asked for",
          "[torch_mapped_engine]") {
  Tensor A = leaf({2, 5}, torch::kFloat), B = leaf({4, 2}, torch::kFloat);
  const auto engine = make_mapped_engine<float>("lion");
  engine->add(Item{A, B, 1.0, "pair 0"});
  StateMap states;
  const LoraProOptions options = LoraProOptions(0.01).rule("lion").beta2(0.75);
  A.mutable_grad() = torch::ones({2, 5});
  B.mutable_grad() = torch::ones({4, 2});
  (void)engine->step(options, states);
  CHECK(find_state(states, A) == nullptr);
  engine->export_states(states);
  REQUIRE(find_state(states, A) != nullptr);
  CHECK(find_state(states, A)->step() == 1);
  CHECK(torch::equal(find_state(states, A)->tensor("exp_avg_A"), torch::full({2, 5}, 0.25)));
  CHECK(torch::equal(find_state(states, A)->tensor("exp_avg_B"), torch::full({4, 2}, 0.25)));
  // What is taken back is where the next step goes on from: its momentum is that of the map.
  find_state(states, A)->tensors()["exp_avg_B"] = torch::full({4, 2}, 4.0F);
  engine->import_states(states);
  B.mutable_grad() = torch::zeros({4, 2});
  (void)engine->step(options, states);
  CHECK(find_state(states, A)->tensors().empty());
  engine->export_states(states);
  CHECK(torch::equal(find_state(states, A)->tensor("exp_avg_B"), torch::full({4, 2}, 3.0F)));
  CHECK(find_state(states, A)->step() == 2);
}

}  // namespace

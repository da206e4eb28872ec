// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

namespace {

using lorapro::OptimizerConfig;
using lorapro::torch_adapter::LoraProParamState;
using lorapro::torch_adapter::detail::Item;
using lorapro::torch_adapter::detail::make_tensor_rule;
using lorapro::torch_adapter::detail::TensorBatch;
using lorapro::torch_adapter::detail::TensorRules;
using lorapro::torch_adapter::detail::TensorUpdate;
using support::leaf;
using torch::Tensor;

TEST_CASE("rules by tensors have the names and defaults of the library's", "[torch_tensor_rules]") {
  const Item item{leaf({3}, torch::kFloat), {}, 1.0, "parameter 3"};
  for (const std::string& name : lorapro::detail::names_of(TensorRules{})) {
    CAPTURE(name);
    const OptimizerConfig ours = make_tensor_rule(name, item)->resolved({});
    const OptimizerConfig theirs = lorapro::runtime_rule<float>(name).resolved({});
    CHECK(ours.beta1 == theirs.beta1);
    CHECK(ours.max_relative_move == theirs.max_relative_move);
  }
  CHECK(make_tensor_rule("lora_pro_spectral", item)->resolved({}).beta1 == 0.95);
}

TEST_CASE("a rule without a tensor path is refused by name", "[torch_tensor_rules]") {
  const Item item{leaf({3}, torch::kFloat), {}, 1.0, "parameter 3"};
  CHECK(
      message_of<lorapro::ConfigError>([&] { (void)make_tensor_rule("lion", item); }) ==
      "rule: expected one of lora_pro_spectral, lora_pro_full, lora_pro_adapter, adamw, sgd for "
      "parameter 3, a CPUFloatType that is stepped by tensor operations, got \"lion\": choose one "
      "of these for its group, or keep the parameter on the CPU, without gaps, with "
      "StepPath::automatic");
}

TEST_CASE("sgd moves both factors along their gradients", "[torch_tensor_rules]") {
  Item item{leaf({2, 5}, torch::kFloat), leaf({4, 2}, torch::kFloat), 3.0, "pair 0"};
  item.A.mutable_grad() = torch::randn({2, 5});
  item.B.mutable_grad() = torch::randn({4, 2});
  const auto rule = make_tensor_rule("sgd", item);
  CHECK(!rule->projects());
  LoraProParamState state;
  TensorBatch batch;
  batch.items = {&item};
  batch.states = {&state};
  (void)batch.read();
  const OptimizerConfig config = rule->resolved({});
  TensorUpdate update{batch, config, 0.5};
  const auto direction = rule->direction(update);
  CHECK(torch::equal(direction.A[0], item.A.grad() * 0.5));
  CHECK(torch::equal(direction.B[0], item.B.grad() * 0.5));
  CHECK(state.tensors().empty());
}

}  // namespace

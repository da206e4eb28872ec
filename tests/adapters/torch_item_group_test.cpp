// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

namespace {

using lorapro::ConfigError;
using lorapro::torch_adapter::LoraProOptions;
using lorapro::torch_adapter::StepPath;
using lorapro::torch_adapter::detail::Engine;
using lorapro::torch_adapter::detail::Item;
using lorapro::torch_adapter::detail::ItemGroup;
using support::leaf;
using torch::Tensor;

int engines_of(const ItemGroup& group) {
  int count = 0;
  group.for_each_engine([&](Engine&) { ++count; });
  return count;
}

TEST_CASE("a group has an engine for each way of stepping", "[torch_item_group]") {
  const LoraProOptions options(0.01);
  ItemGroup group;
  CHECK(engines_of(group) == 0);
  group.add(Item{leaf({3}, torch::kFloat), {}, 1.0, "one"}, options);
  group.add(Item{leaf({3}, torch::kBFloat16), {}, 1.0, "two"}, options);
  CHECK(engines_of(group) == 1);
  group.add(Item{leaf({3}, torch::kDouble), {}, 1.0, "three"}, options);
  group.add(Item{torch::zeros({4, 6}).slice(1, 0, 3), {}, 1.0, "with gaps"}, options);
  CHECK(engines_of(group) == 3);
  CHECK(group.items().size() == 4);
  CHECK_NOTHROW(group.check(options, 0));
  CHECK(
      message_of<ConfigError>([&] { group.check(LoraProOptions(options).max_grad_norm(1), 7); }) ==
      "max_grad_norm: expected a group that is stepped in one way, got parameters of several "
      "types or devices in group 7");
}

TEST_CASE("a group keeps its rule", "[torch_item_group]") {
  ItemGroup group;
  group.add(Item{leaf({3}, torch::kFloat), {}, 1.0, "one"}, LoraProOptions(0.01).rule("lion"));
  CHECK_NOTHROW(group.check(LoraProOptions(0.5).rule("lion"), 0));
  CHECK(message_of<ConfigError>([&] { group.check(LoraProOptions(0.01).rule("sgd"), 2); }) ==
        "rule: expected lion, with which group 2 was made, got sgd");
}

TEST_CASE("what no engine can step is refused by name", "[torch_item_group]") {
  ItemGroup group;
  const Item whole_numbers{torch::zeros({3}, torch::kLong), {}, 1.0, "parameter 5"};
  CHECK_THAT(message_of<ConfigError>([&] { group.add(whole_numbers, {}); }),
             contains_text("parameter 5: expected a floating-point tensor, got CPULongType"));
  const Item pair{leaf({2, 5}, torch::kFloat), leaf({4, 2}, torch::kFloat), 1.0, "pair block.q"};
  CHECK_THAT(
      message_of<ConfigError>(
          [&] { group.add(pair, LoraProOptions(0.01).rule("muon").path(StepPath::tensor)); }),
      contains_text("for pair block.q, a CPUFloatType that is stepped by tensor operations, got "
                    "\"muon\""));
  CHECK(group.items().empty());
}

}  // namespace

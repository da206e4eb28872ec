// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

namespace {

using lorapro::ConfigError;
using lorapro::StateError;
using lorapro::torch_adapter::detail::Item;
using support::leaf;
using torch::Tensor;

TEST_CASE("an item has both gradients of its pair, or none", "[torch_engine]") {
  Item item{leaf({2, 5}, torch::kFloat), leaf({4, 2}, torch::kFloat), 1.0, "pair q"};
  CHECK(item.is_pair());
  CHECK(!item.has_gradient());
  CHECK_NOTHROW(item.check_gradients());
  item.A.mutable_grad() = torch::ones({2, 5});
  CHECK(message_of<StateError>([&] { item.check_gradients(); }) ==
        "lora_B of pair q: expected a gradient, as the other factor has one, got none");
  item.B.mutable_grad() = torch::ones({4, 2});
  CHECK(item.has_gradient());
  CHECK_NOTHROW(item.check_gradients());
  item.A.mutable_grad().reset();
  CHECK(message_of<StateError>([&] { item.check_gradients(); }) ==
        "lora_A of pair q: expected a gradient, as the other factor has one, got none");
}

TEST_CASE("a sparse gradient is refused", "[torch_engine]") {
  Item item{leaf({3, 4}, torch::kFloat), {}, 1.0, "parameter 0"};
  CHECK(!item.is_pair());
  item.A.mutable_grad() = torch::ones({3, 4}).to_sparse();
  CHECK(message_of<ConfigError>([&] { item.check_gradients(); }) ==
        "grad of parameter 0: expected a dense tensor, got a sparse one");
}

}  // namespace

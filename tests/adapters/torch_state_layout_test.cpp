// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

namespace {

using lorapro::torch_adapter::detail::Item;
using lorapro::torch_adapter::detail::state_layout;
using lorapro::torch_adapter::detail::StateLayout;
using support::leaf;

TEST_CASE("the layout of a pair is that of the rule", "[torch_state_layout]") {
  const auto layout_of = [](const char* rule, torch::ScalarType type) {
    return state_layout(rule, Item{leaf({2, 5}, type), leaf({4, 2}, type), 1.0, "pair 0"});
  };
  CHECK(layout_of("lora_pro_full", torch::kDouble) ==
        StateLayout{{"exp_avg", {4, 5}}, {"exp_avg_sq", {4, 5}}});
  CHECK(layout_of("lora_pro_factored", torch::kFloat) == StateLayout{{"exp_avg_A", {2, 5}},
                                                                     {"exp_avg_B", {4, 2}},
                                                                     {"exp_avg_sq_row", {4, 1}},
                                                                     {"exp_avg_sq_col", {1, 5}}});
  CHECK(layout_of("lora_pro_sgd", torch::kFloat).empty());
  CHECK(layout_of("lion", torch::kBFloat16) == StateLayout{{"exp_avg_A", {2, 5}},
                                                           {"exp_avg_B", {4, 2}},
                                                           {"master_A", {2, 5}},
                                                           {"master_B", {4, 2}}});
}

TEST_CASE("the layout of a parameter without factors has its shape", "[torch_state_layout]") {
  const auto layout_of = [](const char* rule, torch::IntArrayRef shape, torch::ScalarType type) {
    return state_layout(rule, Item{leaf(shape, type), {}, 1.0, "parameter 0"});
  };
  CHECK(layout_of("lora_pro_spectral", {3, 4}, torch::kFloat) ==
        StateLayout{{"exp_avg", {3, 4}}, {"exp_avg_sq", {3, 4}}});
  CHECK(layout_of("muon", {3, 4}, torch::kFloat) == StateLayout{{"exp_avg", {3, 4}}});
  CHECK(layout_of("muon", {7}, torch::kFloat) ==
        StateLayout{{"exp_avg", {7}}, {"exp_avg_sq", {7}}});
  CHECK(layout_of("sgd", {7}, torch::kHalf) == StateLayout{{"master", {7}}});
}

}  // namespace

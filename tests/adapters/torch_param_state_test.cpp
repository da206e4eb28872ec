// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

namespace {

using lorapro::torch_adapter::LoraProParamState;
using lorapro::torch_adapter::StateMap;
using lorapro::torch_adapter::detail::find_state;
using lorapro::torch_adapter::detail::state_of;

TEST_CASE("a state goes through an archive whole", "[torch_param_state]") {
  LoraProParamState state;
  state.step(5);
  state.free_factor(1);
  state.tensors()["exp_avg_A"] = torch::arange(6, torch::kFloat).view({2, 3});
  state.tensors()["exp_avg_sq_row"] = torch::ones({4, 1}, torch::kDouble);
  torch::serialize::OutputArchive out;
  state.serialize(out);
  std::stringstream file;
  out.save_to(file);
  torch::serialize::InputArchive in;
  in.load_from(file);
  LoraProParamState read;
  read.tensors()["master"] = torch::ones({1});
  read.serialize(in);
  CHECK(read.step() == 5);
  CHECK(read.free_factor() == 1);
  CHECK(read.tensors().size() == 2);
  CHECK(torch::equal(read.tensor("exp_avg_A"), state.tensor("exp_avg_A")));
  CHECK(torch::equal(read.tensor("exp_avg_sq_row"), state.tensor("exp_avg_sq_row")));
  CHECK(!read.tensor("master").defined());
}

TEST_CASE("a part of a stack is archived without the rest", "[torch_param_state]") {
  const torch::Tensor stack = torch::arange(40000, torch::kFloat).view({10000, 2, 2});
  LoraProParamState state;
  state.tensors()["exp_avg_A"] = stack[7];
  torch::serialize::OutputArchive out;
  state.serialize(out);
  std::stringstream file;
  out.save_to(file);
  CHECK(file.str().size() < 20000);
  torch::serialize::InputArchive in;
  in.load_from(file);
  LoraProParamState read;
  read.serialize(in);
  CHECK(torch::equal(read.tensor("exp_avg_A"), stack[7]));
}

TEST_CASE("states are found by parameter", "[torch_param_state]") {
  StateMap states;
  const torch::Tensor one = torch::ones({2}), other = torch::ones({2});
  CHECK(find_state(states, one) == nullptr);
  state_of(states, one).step(3);
  REQUIRE(find_state(states, one) != nullptr);
  CHECK(find_state(states, one)->step() == 3);
  CHECK(&state_of(states, one) == find_state(states, one));
  CHECK(find_state(states, other) == nullptr);
}

}  // namespace

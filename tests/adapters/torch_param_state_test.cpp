// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

namespace {

using lorapro::torch_adapter::LoraProAdamWParamState;
using lorapro::torch_adapter::StateMap;
using lorapro::torch_adapter::detail::find_state;
using lorapro::torch_adapter::detail::part_of;
using lorapro::torch_adapter::detail::state_of;

TEST_CASE("a state goes through an archive, what is undefined stays so", "[torch_param_state]") {
  LoraProAdamWParamState state;
  state.step(5);
  state.exp_avg(torch::arange(6, torch::kFloat).view({2, 3}));
  torch::serialize::OutputArchive out;
  state.serialize(out);
  std::stringstream file;
  out.save_to(file);
  torch::serialize::InputArchive in;
  in.load_from(file);
  LoraProAdamWParamState read;
  read.master(torch::ones({1}));
  read.serialize(in);
  CHECK(read.step() == 5);
  CHECK(torch::equal(read.exp_avg(), state.exp_avg()));
  CHECK(!read.exp_avg_sq().defined());
  CHECK(!read.master().defined());
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

TEST_CASE("parts of a pair's state stand with the factor that they name", "[torch_param_state]") {
  LoraProAdamWParamState of_A, of_B;
  CHECK(&part_of("exp_avg", of_A, of_B) == &of_A.exp_avg());
  CHECK(&part_of("exp_avg_sq", of_A, of_B) == &of_A.exp_avg_sq());
  CHECK(&part_of("exp_avg_A", of_A, of_B) == &of_A.exp_avg());
  CHECK(&part_of("exp_avg_B", of_A, of_B) == &of_B.exp_avg());
  CHECK(&part_of("exp_avg_sq_B", of_A, of_B) == &of_B.exp_avg_sq());
  CHECK(&part_of("master_A", of_A, of_B) == &of_A.master());
  CHECK(&part_of("master_B", of_A, of_B) == &of_B.master());
}

}  // namespace

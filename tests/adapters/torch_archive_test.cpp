// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

namespace {

using lorapro::ShapeError;
using lorapro::StateError;
using lorapro::torch_adapter::LoraProAdamWParamState;
using lorapro::torch_adapter::Moments;
using lorapro::torch_adapter::StateMap;
using lorapro::torch_adapter::detail::check_state;
using lorapro::torch_adapter::detail::find_state;
using lorapro::torch_adapter::detail::load_states;
using lorapro::torch_adapter::detail::Role;
using lorapro::torch_adapter::detail::save_states;
using lorapro::torch_adapter::detail::state_of;
using support::leaf;
using torch::Tensor;
using Options = lorapro::torch_adapter::LoraProAdamWOptions;
using Group = torch::optim::OptimizerParamGroup;

/// One group of a pair and a bias, with states.
struct Archived {
  Tensor A = leaf({2, 5}, torch::kFloat), B = leaf({4, 2}, torch::kFloat),
         bias = leaf({3}, torch::kFloat);
  std::vector<Group> groups;
  std::vector<std::vector<Role>> roles{{{Role::lora_A, 4}, {Role::lora_B, 0}, {Role::plain, 0}}};
  StateMap states;

  explicit Archived(const Options& options) {
    groups.emplace_back(std::vector<Tensor>{A, B, bias}, std::make_unique<Options>(options));
  }
  void fill() {
    state_of(states, A).step(2);
    state_of(states, A).exp_avg(torch::randn({4, 5}));
    state_of(states, A).exp_avg_sq(torch::rand({4, 5}));
    state_of(states, B).step(2);
    state_of(states, bias).step(1);
    state_of(states, bias).exp_avg(torch::randn({3}));
    state_of(states, bias).exp_avg_sq(torch::rand({3}));
  }
  std::string saved() {
    torch::serialize::OutputArchive out;
    save_states(out, roles, groups, states);
    std::stringstream file;
    out.save_to(file);
    return file.str();
  }
  void load(const std::string& bytes) {
    std::stringstream file(bytes);
    torch::serialize::InputArchive in;
    in.load_from(file);
    load_states(in, roles, groups, states);
  }
};

TEST_CASE("states and options come back by position", "[torch_archive]") {
  torch::manual_seed(91);
  Archived from(Options(0.5).damping(0.25)), to(Options(0.125));
  from.fill();
  to.load(from.saved());
  const auto& options = static_cast<const Options&>(to.groups[0].options());
  CHECK(options.lr() == 0.5);
  CHECK(options.damping() == 0.25);
  CHECK(state_of(to.states, to.A).step() == 2);
  CHECK(torch::equal(state_of(to.states, to.A).exp_avg(), state_of(from.states, from.A).exp_avg()));
  CHECK(torch::equal(state_of(to.states, to.bias).exp_avg_sq(),
                     state_of(from.states, from.bias).exp_avg_sq()));
  CHECK(!state_of(to.states, to.B).exp_avg().defined());
}

TEST_CASE("what is not for the optimizer is refused whole", "[torch_archive]") {
  Archived from(Options(0.5)), to(Options(0.125));
  from.fill();
  const auto refused = [&] {
    const std::string bytes = from.saved();
    return message_of<lorapro::Error>([&] { to.load(bytes); });
  };
  from.roles[0][2] = {Role::lora_B, 0};
  CHECK_THAT(refused(), contains_text("expected the pairs and parameters of the optimizer"));
  from.roles[0][2] = {Role::plain, 0};
  state_of(from.states, from.bias).exp_avg(torch::zeros({4}));
  CHECK_THAT(refused(), contains_text("state/0/2.exp_avg: expected the shape of parameter (3)"));
  state_of(from.states, from.bias).exp_avg(torch::zeros({3}));
  state_of(from.states, from.bias).master(torch::zeros({3}));
  CHECK_THAT(refused(), contains_text("state/0/2.master: expected none, got (3)"));
  state_of(from.states, from.bias).master({});
  from.groups.push_back(from.groups[0]);
  from.roles.push_back(from.roles[0]);
  CHECK_THAT(refused(), contains_text("expected 1 parameter groups, got 2"));
  CHECK(static_cast<const Options&>(to.groups[0].options()).lr() == 0.125);
  CHECK(find_state(to.states, to.A) == nullptr);

  torch::serialize::OutputArchive empty;
  empty.write("something", torch::IValue(std::int64_t{1}));
  std::stringstream file;
  empty.save_to(file);
  CHECK(message_of<StateError>([&] { to.load(file.str()); }) ==
        "archive: expected one of LoraProAdamW, got one without lorapro_version");
}

TEST_CASE("states fit the moments of their role", "[torch_archive]") {
  LoraProAdamWParamState state;
  state.step(1);
  state.exp_avg(torch::zeros({2, 5}));
  const Tensor A = leaf({2, 5}, torch::kFloat);
  const Role role{Role::lora_A, 4};
  CHECK_NOTHROW(check_state(state, A, role, Moments::spectral, "state"));
  CHECK_THROWS_AS(check_state(state, A, role, Moments::adapter, "state"), ShapeError);
  state.exp_avg_sq(torch::zeros({2, 5}));
  CHECK_NOTHROW(check_state(state, A, role, Moments::adapter, "state"));
  CHECK_THROWS_AS(check_state(state, A, role, Moments::full, "state"), ShapeError);
  CHECK_THROWS_AS(check_state(state, A, role, Moments::spectral, "state"), ShapeError);
  LoraProAdamWParamState unstepped;
  CHECK_NOTHROW(check_state(unstepped, A, role, Moments::full, "state"));
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

namespace {

using lorapro::ShapeError;
using lorapro::StateError;
using lorapro::torch_adapter::LoraProParamState;
using lorapro::torch_adapter::StateMap;
using lorapro::torch_adapter::detail::check_state;
using lorapro::torch_adapter::detail::find_state;
using lorapro::torch_adapter::detail::Item;
using lorapro::torch_adapter::detail::load_states;
using lorapro::torch_adapter::detail::PairTable;
using lorapro::torch_adapter::detail::save_states;
using lorapro::torch_adapter::detail::state_of;
using support::leaf;
using torch::Tensor;
using Options = lorapro::torch_adapter::LoraProOptions;
using Group = torch::optim::OptimizerParamGroup;

/// One group of a pair and a bias, with states.
struct Archived {
  Tensor A = leaf({2, 5}, torch::kFloat), B = leaf({4, 2}, torch::kFloat),
         bias = leaf({3}, torch::kFloat);
  std::vector<Group> groups;
  PairTable pairs;
  StateMap states;

  explicit Archived(const Options& options) {
    groups.emplace_back(std::vector<Tensor>{A, B, bias}, std::make_unique<Options>(options));
    pairs.add({lorapro::torch_adapter::LoraPair{A, B, 1.0}});
  }
  void fill() {
    state_of(states, A).step(2);
    state_of(states, A).tensors() = {{"exp_avg", torch::randn({4, 5})},
                                     {"exp_avg_sq", torch::rand({4, 5})}};
    state_of(states, bias).step(1);
    state_of(states, bias).tensors() = {{"exp_avg", torch::randn({3})},
                                        {"exp_avg_sq", torch::rand({3})}};
  }
  std::string saved() {
    torch::serialize::OutputArchive out;
    save_states(out, pairs, groups, states);
    std::stringstream file;
    out.save_to(file);
    return file.str();
  }
  void load(const std::string& bytes) {
    std::stringstream file(bytes);
    torch::serialize::InputArchive in;
    in.load_from(file);
    load_states(in, pairs, groups, states);
  }
};

Options full_options(double lr) { return Options(lr).rule("lora_pro_full"); }

TEST_CASE("states and options come back by position", "[torch_archive]") {
  torch::manual_seed(91);
  Archived from(full_options(0.5).damping(0.25)), to(full_options(0.125));
  from.fill();
  to.load(from.saved());
  const auto& options = static_cast<const Options&>(to.groups[0].options());
  CHECK(options.lr() == 0.5);
  CHECK(options.damping() == 0.25);
  const LoraProParamState& of_A = state_of(to.states, to.A);
  CHECK(of_A.step() == 2);
  CHECK(torch::equal(of_A.tensor("exp_avg"), state_of(from.states, from.A).tensor("exp_avg")));
  CHECK(torch::equal(state_of(to.states, to.bias).tensor("exp_avg_sq"),
                     state_of(from.states, from.bias).tensor("exp_avg_sq")));
  CHECK(find_state(to.states, to.B) == nullptr);
}

TEST_CASE("what is not for the optimizer is refused whole", "[torch_archive]") {
  Archived from(full_options(0.5)), to(full_options(0.125));
  from.fill();
  const auto refused = [&] {
    const std::string bytes = from.saved();
    return message_of<lorapro::Error>([&] { to.load(bytes); });
  };
  std::swap(from.groups[0].params()[1], from.groups[0].params()[2]);
  CHECK_THAT(refused(), contains_text("expected the pairs and parameters of the optimizer"));
  std::swap(from.groups[0].params()[1], from.groups[0].params()[2]);
  auto& of_bias = state_of(from.states, from.bias).tensors();
  of_bias["exp_avg"] = torch::zeros({4});
  CHECK(refused() ==
        "state/0/2.exp_avg: expected (3) for rule lora_pro_full of lora_A or parameter (3), got "
        "(4)");
  of_bias["exp_avg"] = torch::zeros({3});
  of_bias["master"] = torch::zeros({3});
  CHECK_THAT(refused(), contains_text("state/0/2.master: expected none"));
  of_bias.erase("master");
  auto& options = static_cast<Options&>(from.groups[0].options());
  options.rule("lion");
  CHECK(refused() ==
        "archive: expected rule lora_pro_full in group 0, which the optimizer has, got lion");
  options.rule("lora_pro_full");
  from.groups.push_back(from.groups[0]);
  CHECK_THAT(refused(), contains_text("expected 1 parameter groups, got 2"));
  CHECK(static_cast<const Options&>(to.groups[0].options()).lr() == 0.125);
  CHECK(find_state(to.states, to.A) == nullptr);

  torch::serialize::OutputArchive empty;
  empty.write("something", torch::IValue(std::int64_t{1}));
  std::stringstream file;
  empty.save_to(file);
  CHECK(message_of<StateError>([&] { to.load(file.str()); }) ==
        "archive: expected one of LoraProOptimizer, got one without lorapro_version");
}

TEST_CASE("states fit the rule", "[torch_archive]") {
  LoraProParamState state;
  state.step(1);
  state.tensors() = {{"exp_avg_A", torch::zeros({2, 5})}, {"exp_avg_B", torch::zeros({4, 2})}};
  const Item pair{leaf({2, 5}, torch::kFloat), leaf({4, 2}, torch::kFloat), 1.0, {}};
  CHECK_NOTHROW(check_state(state, pair, "lora_pro_spectral", "state"));
  CHECK_NOTHROW(check_state(state, pair, "lion", "state"));
  CHECK(message_of<ShapeError>([&] { check_state(state, pair, "adamw", "state"); }) ==
        "state.exp_avg_sq_A: expected (2, 5) for rule adamw of lora_A or parameter (2, 5), got "
        "none");
  CHECK_THROWS_AS(check_state(state, pair, "sgd", "state"), ShapeError);
  const LoraProParamState unstepped;
  CHECK_NOTHROW(check_state(unstepped, pair, "lora_pro_full", "state"));
}

}  // namespace

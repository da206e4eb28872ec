// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/error.hpp>

#include <torch/optim/optimizer.h>  // torch::optim::Optimizer
#include <torch/optim/serialize.h>  // torch::serialize archives

#include <memory>       // std::make_unique
#include <sstream>      // std::ostringstream
#include <string>       // std::string
#include <string_view>  // std::string_view
#include <type_traits>  // std::is_same_v

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {

/// What LoraProAdamW keeps of one parameter, whichever path steps it; what a rule does not keep is
/// undefined. m x n moments of a pair stand with its lora_A.
///
/// | moments  | lora_A                        | lora_B                        |
/// |----------|-------------------------------|-------------------------------|
/// | full     | exp_avg, exp_avg_sq: (m, n)   | none                          |
/// | adapter  | exp_avg, exp_avg_sq: (r, n)   | exp_avg, exp_avg_sq: (m, r)   |
/// | spectral | exp_avg: B^T M, (r, n)        | exp_avg: M A^T, (m, r)        |
///
/// A parameter without factors has exp_avg and exp_avg_sq of its own shape. Parameters in bfloat16
/// or half have a float master besides, and all state in float.
struct LoraProAdamWParamState : torch::optim::OptimizerCloneableParamState<LoraProAdamWParamState> {
  TORCH_ARG(int64_t, step) = 0;
  TORCH_ARG(torch::Tensor, exp_avg);
  TORCH_ARG(torch::Tensor, exp_avg_sq);
  TORCH_ARG(torch::Tensor, master);
  /// Of a pair, at its lora_A: 1 if A is the free factor.
  TORCH_ARG(int64_t, free_factor) = 0;

 public:
  void serialize(torch::serialize::OutputArchive& archive) const override {
    archive.write("step", torch::IValue(step()));
    archive.write("free_factor", torch::IValue(free_factor()));
    for_each_tensor(*this, [&](const char* name, const torch::Tensor& tensor) {
      if (tensor.defined()) archive.write(name, tensor, /*is_buffer=*/true);
    });
  }
  void serialize(torch::serialize::InputArchive& archive) override {
    torch::IValue stored;
    archive.read("step", stored);
    step(stored.toInt());
    // Archives of before there was a choice lack it.
    free_factor(archive.try_read("free_factor", stored) ? stored.toInt() : 0);
    for_each_tensor(*this, [&](const char* name, torch::Tensor& tensor) {
      tensor.reset();
      (void)archive.try_read(name, tensor, /*is_buffer=*/true);
    });
  }

  /// Calls f(name, tensor) for the three tensors.
  template <typename Self, typename F>
  static void for_each_tensor(Self& self, const F& f) {
    f("exp_avg", self.exp_avg_);
    f("exp_avg_sq", self.exp_avg_sq_);
    f("master", self.master_);
  }
};

/// Keys in libtorch's map of states: text in 1.x, addresses in 2.x.
using StateMap = std::decay_t<decltype(std::declval<torch::optim::Optimizer&>().state())>;

namespace detail {

template <typename Key>
Key state_key(const torch::Tensor& parameter) {
  if constexpr (std::is_same_v<Key, std::string>) {
    std::ostringstream text;
    text << parameter.unsafeGetTensorImpl();
    return text.str();
  } else {
    return parameter.unsafeGetTensorImpl();
  }
}

/// A parameter's state; made where there is none.
inline LoraProAdamWParamState& state_of(StateMap& states, const torch::Tensor& parameter) {
  auto& state = states[state_key<StateMap::key_type>(parameter)];
  if (state == nullptr) state = std::make_unique<LoraProAdamWParamState>();
  return static_cast<LoraProAdamWParamState&>(*state);
}

/// The same, null where there is none.
inline LoraProAdamWParamState* find_state(StateMap& states, const torch::Tensor& parameter) {
  const auto found = states.find(state_key<StateMap::key_type>(parameter));
  return found == states.end() ? nullptr
                               : static_cast<LoraProAdamWParamState*>(found->second.get());
}

/// The place of a rule's state `part`, as PairState::visit names it, in the states of A and B.
inline torch::Tensor& part_of(std::string_view part, LoraProAdamWParamState& state_A,
                              LoraProAdamWParamState& state_B) {
  const bool of_B = part.size() > 2 && part.substr(part.size() - 2) == "_B";
  LoraProAdamWParamState& state = of_B ? state_B : state_A;
  if (part.substr(0, 6) == "master") return state.master();
  return part.substr(0, 10) == "exp_avg_sq" ? state.exp_avg_sq() : state.exp_avg();
}

}  // namespace detail

}  // namespace torch_adapter
LORAPRO_NAMESPACE_END

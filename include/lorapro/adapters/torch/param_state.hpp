// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/error.hpp>

#include <torch/optim/optimizer.h>  // torch::optim::Optimizer
#include <torch/optim/serialize.h>  // torch::serialize archives

#include <map>          // std::map
#include <memory>       // std::make_unique
#include <sstream>      // std::ostringstream
#include <string>       // std::string
#include <type_traits>  // std::is_same_v
#include <vector>       // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {

/// What LoraProOptimizer keeps of a parameter without factors, or of a pair, whose state stands
/// with its lora_A; a lora_B has none of its own. The same whichever path steps it.
///
/// The tensors have the names and shapes that the rule gives its state in checkpoints, "exp_avg_A"
/// of (rank, in_features) and so on; those of a parameter without factors have its own shape.
/// Parameters in bfloat16 or half have float masters besides ("master", "master_A", "master_B"),
/// and all state in float.
struct LoraProParamState : torch::optim::OptimizerCloneableParamState<LoraProParamState> {
  using Tensors = std::map<std::string, torch::Tensor>;

  TORCH_ARG(int64_t, step) = 0;
  /// Of a pair: 1 if A is the free factor.
  TORCH_ARG(int64_t, free_factor) = 0;
  TORCH_ARG(Tensors, tensors);

 public:
  /// One of the tensors by its name, undefined where there is none.
  torch::Tensor tensor(const std::string& name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? torch::Tensor() : found->second;
  }

  void serialize(torch::serialize::OutputArchive& archive) const override {
    archive.write("step", torch::IValue(step()));
    archive.write("free_factor", torch::IValue(free_factor()));
    std::vector<std::string> names;
    for (const auto& [name, tensor] : tensors_) {
      names.push_back(name);
      // An archive takes the whole memory of a tensor, which may be that of a stack.
      const bool is_part = tensor.nbytes() != tensor.storage().nbytes();
      archive.write(name, is_part ? tensor.clone() : tensor, /*is_buffer=*/true);
    }
    archive.write("tensors", torch::IValue(names));
  }
  void serialize(torch::serialize::InputArchive& archive) override {
    const auto read = [&](const char* name) {
      torch::IValue stored;
      archive.read(name, stored);
      return stored;
    };
    step(read("step").toInt());
    free_factor(read("free_factor").toInt());
    tensors_.clear();
    for (const auto& name : read("tensors").to<std::vector<std::string>>())
      archive.read(name, tensors_[name], /*is_buffer=*/true);
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
inline LoraProParamState& state_of(StateMap& states, const torch::Tensor& parameter) {
  auto& state = states[state_key<StateMap::key_type>(parameter)];
  if (state == nullptr) state = std::make_unique<LoraProParamState>();
  return static_cast<LoraProParamState&>(*state);
}

/// The same, null where there is none.
inline LoraProParamState* find_state(StateMap& states, const torch::Tensor& parameter) {
  const auto found = states.find(state_key<StateMap::key_type>(parameter));
  return found == states.end() ? nullptr : static_cast<LoraProParamState*>(found->second.get());
}

}  // namespace detail

}  // namespace torch_adapter
LORAPRO_NAMESPACE_END

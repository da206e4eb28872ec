// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/torch/options.hpp>
#include <lorapro/adapters/torch/pairs.hpp>
#include <lorapro/adapters/torch/param_state.hpp>
#include <lorapro/optim/report.hpp>

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {
namespace detail {

/// What is stepped together: the factors of a pair, or a parameter without factors.
struct Item {
  torch::Tensor A;       ///< lora_A, or the parameter
  torch::Tensor B;       ///< lora_B, or undefined
  double scaling = 1.0;  ///< of a pair
  std::string name;      ///< for messages

  bool is_pair() const { return B.defined(); }
  bool has_gradient() const { return A.grad().defined(); }

  /// \throws StateError (one gradient of a pair), ConfigError (a sparse one). The closed form takes
  /// both gradients: from one alone it does not follow what to do with the other factor.
  void check_gradients() const {
    if (is_pair() && A.grad().defined() != B.grad().defined())
      throw StateError((A.grad().defined() ? "lora_B" : "lora_A") + (" of " + name) +
                       ": expected a gradient, as the other factor has one, got none");
    for (const torch::Tensor* const parameter : {&A, &B})
      if (parameter->defined() && parameter->grad().defined() &&
          parameter->grad().layout() != torch::kStrided)
        throw ConfigError("grad of " + name + ": expected a dense tensor, got a sparse one");
  }
};

/// Steps the items of one parameter group that are computed in one way.
class Engine {
 public:
  Engine() = default;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  virtual ~Engine() = default;

  virtual void add(const Item& item) = 0;
  /// \throws StateError if a parameter has left the device or type that it was added with.
  virtual void check() const = 0;
  /// Items without gradients are as they were before.
  virtual StepReport step(const LoraProOptions& options, StateMap& states) = 0;
  /// Copies what is kept elsewhere into the states, and takes it back.
  virtual void export_states(StateMap& states) = 0;
  virtual void import_states(StateMap& states) = 0;
};

}  // namespace detail
}  // namespace torch_adapter
LORAPRO_NAMESPACE_END

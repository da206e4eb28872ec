// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/torch/engine.hpp>
#include <lorapro/adapters/torch/tensor_adjust.hpp>
#include <lorapro/adapters/torch/tensor_stack.hpp>
#include <lorapro/optim/overflow_bounds.hpp>

#include <limits>   // std::numeric_limits
#include <memory>   // std::unique_ptr
#include <string>   // std::string
#include <utility>  // std::move
#include <vector>   // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {
namespace detail {

/// The scalar of moments and masters.
inline torch::ScalarType compute_type(const torch::Tensor& parameter) {
  return parameter.scalar_type() == torch::kDouble ? torch::kDouble : torch::kFloat;
}

inline double storage_epsilon_of(const torch::Tensor& parameter) {
  switch (parameter.scalar_type()) {
    case torch::kDouble:
      return storage_epsilon<double>();
    case torch::kBFloat16:
      return storage_epsilon<bfloat16>();
    case torch::kHalf:
      return storage_epsilon<half>();
    default:
      return storage_epsilon<float>();
  }
}

/// Items of one shape and type in one step by tensor operations: what is found out before anything is
/// written. Tensors have the items in their first dimension.
struct TensorBatch {
  std::vector<const Item*> items{};
  std::vector<LoraProParamState*> states{};
  bool projected = false;                ///< pairs of a rule that projects
  TensorStep value{}, grad{};            ///< in double where projected, else in the compute type
  torch::Tensor scaling{};               ///< of pairs, (k) in double
  std::unique_ptr<TensorPairs> pairs{};  ///< where projected, as are these two
  AdjustOptions projection{};
  TensorStep adjusted{};             ///< the adjusted gradients
  torch::Tensor raw_norm{}, norm{};  ///< (k): squared, of the gradients and of E

  const Item& first() const { return *items.front(); }
  Index size() const { return static_cast<Index>(items.size()); }

  /// \return which items have finite numbers alone, booleans (k) on the device.
  torch::Tensor read() {
    const auto type = projected ? torch::kDouble : compute_type(first().A);
    torch::Tensor sum;
    const auto read_one = [&](torch::Tensor Item::*which, torch::Tensor& number,
                              torch::Tensor& gradient) {
      std::vector<torch::Tensor> gradients;
      for (const Item* item : items) gradients.push_back((item->*which).grad());
      // A copy: the momentum is moved from the factors as they are before they are written.
      number = parameters(which).to(type, /*non_blocking=*/false, /*copy=*/projected);
      gradient = stacked(gradients).to(type);
      const torch::Tensor squared = squared_sums(gradient);
      raw_norm = raw_norm.defined() ? raw_norm + squared : squared;
      const torch::Tensor all = squared_sums(number) + squared;
      sum = sum.defined() ? sum + all : all;
    };
    read_one(&Item::A, value.A, grad.A);
    if (first().is_pair()) {
      read_one(&Item::B, value.B, grad.B);
      std::vector<double> scalings;
      for (const Item* item : items) scalings.push_back(item->scaling);
      scaling = torch::tensor(scalings, torch::kDouble).to(first().A.device());
    }
    return sum.isfinite();
  }

  /// Decides how pairs are projected in this step, and adjusts their gradients.
  /// \return whose E, and its square, fit the state: booleans (k).
  torch::Tensor solve(const OptimizerConfig& config) {
    norm = raw_norm;
    if (projected) {
      const bool fixed_A = states.front()->free_factor() == 0;
      projection = config.adjust_options();
      projection.free_factor = fixed_A ? Side::B : Side::A;
      projection.lr = config.group.lr * (fixed_A ? 1 : config.group.loraplus_lr_ratio);
      pairs = std::make_unique<TensorPairs>(value.A, value.B, storage_epsilon_of(first().A));
      adjusted = pairs->adjust(grad, scaling, projection,
                               on_device(lorapro::detail::usual_direction_norm(shape())));
      norm = pairs->squared_norm(adjusted) * scaling.square();
    }
    const bool wide = compute_type(first().A) == torch::kDouble;
    const double largest = wide ? (std::numeric_limits<double>::max)()
                                : static_cast<double>((std::numeric_limits<float>::max)());
    return norm < largest / 4;
  }

  /// Leaves the others out. \param kept  numbers of items, rising, at least one; before solve().
  void keep(const std::vector<std::int64_t>& kept) {
    std::vector<const Item*> kept_items;
    std::vector<LoraProParamState*> kept_states;
    for (const std::int64_t i : kept) {
      kept_items.push_back(items[static_cast<std::size_t>(i)]);
      kept_states.push_back(states[static_cast<std::size_t>(i)]);
    }
    items = std::move(kept_items);
    states = std::move(kept_states);
    const torch::Tensor index = torch::tensor(kept, torch::kLong).to(value.A.device());
    for (torch::Tensor* tensor : {&value.A, &value.B, &grad.A, &grad.B, &scaling, &raw_norm})
      if (tensor->defined()) *tensor = tensor->index_select(0, index);
  }

  /// The parameters as they are now, (k, ...).
  torch::Tensor parameters(torch::Tensor Item::*which) const {
    std::vector<torch::Tensor> values;
    for (const Item* item : items) values.push_back((item->*which).detach());
    return stacked(values);
  }

  /// What states keep under a name, (k, ...); undefined where one of them has none.
  torch::Tensor state(const std::string& name) const {
    std::vector<torch::Tensor> parts;
    for (const LoraProParamState* of : states) {
      parts.push_back(of->tensor(name));
      if (!parts.back().defined()) return {};
    }
    return stacked(parts);
  }
  void set_state(const std::string& name, const torch::Tensor& stack) const {
    for (std::size_t i = 0; i < states.size(); ++i) states[i]->tensors()[name] = part_of(stack, i);
  }

  /// Of pairs: what the library's norms of directions go by.
  PairShape shape() const { return {first().B.size(0), first().A.size(1), first().A.size(0)}; }
  torch::Tensor on_device(double number) const {
    return torch::full({}, number, value.A.options());
  }

 private:
  torch::Tensor squared_sums(const torch::Tensor& numbers) const {
    return numbers.to(torch::kDouble).square().reshape({size(), -1}).sum(1);
  }
};

}  // namespace detail
}  // namespace torch_adapter
LORAPRO_NAMESPACE_END

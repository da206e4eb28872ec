// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/torch/engine.hpp>
#include <lorapro/adapters/torch/tensor_adjust.hpp>
#include <lorapro/optim/overflow_bounds.hpp>

#include <limits>  // std::numeric_limits
#include <memory>  // std::unique_ptr

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

/// One item in one step by tensor operations: what is found out before anything is written.
struct TensorWork {
  const Item* item = nullptr;
  bool projected = false;              ///< a pair of a rule that projects
  TensorStep value{}, grad{};          ///< in double where projected, else in the compute type
  std::unique_ptr<TensorPair> pair{};  ///< where projected, as are these two
  AdjustOptions projection{};
  TensorStep adjusted{};             ///< the adjusted gradients
  torch::Tensor raw_norm{}, norm{};  ///< squared, of the gradients and of E

  /// \param projects  whether the rule projects pairs.
  TensorWork(const Item& what, bool projects)
      : item(&what), projected(projects && what.is_pair()) {}

  /// \return whether all numbers are finite, a boolean on the device.
  torch::Tensor read() {
    const auto type = projected ? torch::kDouble : compute_type(item->A);
    torch::Tensor sum;
    const auto read_one = [&](const torch::Tensor& parameter, torch::Tensor& number,
                              torch::Tensor& gradient) {
      // A copy: the momentum is moved from the factors as they are before they are written.
      number = parameter.detach().to(type, /*non_blocking=*/false, /*copy=*/projected);
      gradient = parameter.grad().to(type);
      const torch::Tensor squared = gradient.to(torch::kDouble).square().sum();
      raw_norm = raw_norm.defined() ? raw_norm + squared : squared;
      const torch::Tensor all = number.to(torch::kDouble).square().sum() + squared;
      sum = sum.defined() ? sum + all : all;
    };
    read_one(item->A, value.A, grad.A);
    if (item->is_pair()) read_one(item->B, value.B, grad.B);
    return sum.isfinite();
  }

  /// Decides how a pair is projected in this step; at its first one waits for the device.
  void project_as(const OptimizerConfig& config, LoraProParamState& state) {
    if (!projected) return;
    if (state.step() == 0) {
      const bool A_is_zero = !value.A.any().item<bool>() && value.B.any().item<bool>();
      state.free_factor(A_is_zero ? 1 : 0);
    }
    const bool fixed_A = state.free_factor() == 0;
    projection = config.adjust_options();
    projection.free_factor = fixed_A ? Side::B : Side::A;
    projection.lr = config.group.lr * (fixed_A ? 1 : config.group.loraplus_lr_ratio);
  }

  /// \return whether E, and its square, fit the state.
  torch::Tensor solve() {
    norm = raw_norm;
    if (projected) {
      pair = std::make_unique<TensorPair>(value.A, value.B, storage_epsilon_of(item->A));
      adjusted = pair->adjust(grad, item->scaling, projection,
                              on_device(lorapro::detail::usual_direction_norm(shape())));
      norm = pair->squared_norm(adjusted) * (item->scaling * item->scaling);
    }
    const bool wide = compute_type(item->A) == torch::kDouble;
    const double largest = wide ? (std::numeric_limits<double>::max)()
                                : static_cast<double>((std::numeric_limits<float>::max)());
    return norm < largest / 4;
  }

  /// Of a pair: what the library's norms of directions go by.
  PairShape shape() const { return {item->B.size(0), item->A.size(1), item->A.size(0)}; }
  torch::Tensor on_device(double number) const {
    return torch::full({}, number, value.A.options());
  }
};

}  // namespace detail
}  // namespace torch_adapter
LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/torch/tensor_work.hpp>

#include <cmath>   // std::pow, std::sqrt
#include <string>  // std::string

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {
namespace detail {

/// The parameter, or its master where that is defined and rounds to it.
inline torch::Tensor current_value(const torch::Tensor& parameter, const torch::Tensor& master,
                                   torch::ScalarType type) {
  const torch::Tensor value = parameter.detach();
  if (!master.defined()) return value.to(type);
  return torch::where(master.to(value.scalar_type()) == value, master,
                      value.to(master.scalar_type()))
      .to(type);
}

/// The update of one item in one step, as rules see it: the state takes the gradients, and the
/// parameters are written.
struct TensorUpdate {
  const TensorWork& work;
  const OptimizerConfig& config;  ///< with what the rule decides
  double clip;
  LoraProParamState& state;
  TensorStep momentum{};  ///< what a rule keeps from direction to moved

  const Item& item() const { return *work.item; }
  torch::ScalarType type() const { return compute_type(item().A); }
  std::int64_t step() const { return state.step() + 1; }

  /// The gradients, clipped; B of a parameter without factors is undefined.
  TensorStep gradients() const { return clipped(work.grad); }
  /// The adjusted gradients, clipped.
  TensorStep adjusted() const { return clipped(work.adjusted); }

  /// The adjusted directions for what the factors see of a direction of W.
  /// \param norm  of the direction; measured where it is not given, as by LoraPro<FullMoments>.
  TensorStep project(const TensorStep& seen, torch::Tensor norm = {}) const {
    const double s = item().scaling;
    const TensorStep scaled_by_s{seen.A * s, seen.B * s};
    if (!norm.defined())
      norm = torch::maximum(work.pair->damped_norm(scaled_by_s, s, work.projection),
                            work.on_device(lorapro::detail::least_direction_norm(work.shape())));
    return work.pair->adjust(scaled_by_s, s, work.projection, norm);
  }

  /// Takes the gradient into exp_avg and exp_avg_sq. \return m_hat / (sqrt(v_hat) + eps).
  /// \param suffix  of their names.
  torch::Tensor adam(const torch::Tensor& grad, const std::string& suffix = "") const {
    torch::Tensor &exp_avg = state.tensors()["exp_avg" + suffix],
                  &exp_avg_sq = state.tensors()["exp_avg_sq" + suffix];
    if (!exp_avg.defined()) {
      exp_avg = torch::zeros_like(grad);
      exp_avg_sq = torch::zeros_like(grad);
    }
    const double beta1 = *config.beta1, t = static_cast<double>(step());
    exp_avg.mul_(beta1).add_(grad, 1 - beta1);
    exp_avg_sq.mul_(config.beta2).addcmul_(grad, grad, 1 - config.beta2);
    const double root = std::sqrt(1 - std::pow(config.beta2, t));
    const torch::Tensor spread = exp_avg_sq.sqrt().add_(config.eps * root);
    return (exp_avg / spread).mul_(root / (1 - std::pow(beta1, t)));
  }
  TensorStep adam(const TensorStep& grad) const {
    return {adam(grad.A.to(type()), "_A"), adam(grad.B.to(type()), "_B")};
  }

  /// The factors as they are now, in double.
  TensorStep factors() const {
    return {current_value(item().A, state.tensor("master_A"), torch::kDouble),
            current_value(item().B, state.tensor("master_B"), torch::kDouble)};
  }

  /// parameter = (1 - lr decay) parameter - lr direction, and its master likewise.
  void descend(const torch::Tensor& parameter, const std::string& suffix,
               const torch::Tensor& direction, double lr) const {
    const bool has_master = parameter.scalar_type() != type();
    const std::string master = "master" + suffix;
    const torch::Tensor value =
        current_value(parameter, has_master ? state.tensor(master) : torch::Tensor(), type()) *
            (1 - lr * config.group.weight_decay) -
        direction.to(type()) * lr;
    if (has_master) state.tensors()[master] = value;
    torch::Tensor(parameter).copy_(value);
  }

 private:
  TensorStep clipped(const TensorStep& step_of) const {
    if (clip == 1) return step_of;
    return {step_of.A * clip, step_of.B.defined() ? step_of.B * clip : step_of.B};
  }
};

}  // namespace detail
}  // namespace torch_adapter
LORAPRO_NAMESPACE_END

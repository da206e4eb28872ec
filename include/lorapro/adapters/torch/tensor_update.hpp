// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/torch/tensor_batch.hpp>

#include <cmath>   // std::pow, std::sqrt
#include <string>  // std::string

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {
namespace detail {

/// A parameter, or its master where that is defined and rounds to it.
inline torch::Tensor current_value(const torch::Tensor& value, const torch::Tensor& master,
                                   torch::ScalarType type) {
  if (!master.defined()) return value.to(type);
  return torch::where(master.to(value.scalar_type()) == value, master,
                      value.to(master.scalar_type()))
      .to(type);
}

/// The update of a batch in one step, as rules see it: the states take the gradients, and the
/// parameters are written.
struct TensorUpdate {
  const TensorBatch& batch;
  const OptimizerConfig& config;  ///< with what the rule decides
  double clip;
  TensorStep momentum{};  ///< what a rule keeps from direction to moved

  torch::ScalarType type() const { return compute_type(batch.first().A); }
  std::int64_t step() const { return batch.states.front()->step() + 1; }

  /// The gradients, clipped; B of parameters without factors is undefined.
  TensorStep gradients() const { return clipped(batch.grad); }
  /// The adjusted gradients, clipped.
  TensorStep adjusted() const { return clipped(batch.adjusted); }

  /// The adjusted directions for what the factors see of directions of W.
  /// \param norm  of the directions; measured where it is not given, as by LoraPro<FullMoments>.
  TensorStep project(const TensorStep& seen, torch::Tensor norm = {}) const {
    const torch::Tensor &s = batch.scaling, factor = per_matrix(s);
    const TensorStep scaled_by_s{seen.A * factor, seen.B * factor};
    if (!norm.defined())
      norm = torch::maximum(batch.pairs->damped_norm(scaled_by_s, s, batch.projection),
                            batch.on_device(lorapro::detail::least_direction_norm(batch.shape())));
    return batch.pairs->adjust(scaled_by_s, s, batch.projection, norm);
  }

  /// Takes the gradients into exp_avg and exp_avg_sq. \return m_hat / (sqrt(v_hat) + eps).
  /// \param suffix  of their names.
  torch::Tensor adam(const torch::Tensor& grad, const std::string& suffix = "") const {
    torch::Tensor exp_avg = batch.state("exp_avg" + suffix),
                  exp_avg_sq = batch.state("exp_avg_sq" + suffix);
    if (!exp_avg.defined()) exp_avg = torch::zeros_like(grad);
    if (!exp_avg_sq.defined()) exp_avg_sq = torch::zeros_like(grad);
    const double beta1 = *config.beta1, t = static_cast<double>(step());
    exp_avg.mul_(beta1).add_(grad, 1 - beta1);
    exp_avg_sq.mul_(config.beta2).addcmul_(grad, grad, 1 - config.beta2);
    batch.set_state("exp_avg" + suffix, exp_avg);
    batch.set_state("exp_avg_sq" + suffix, exp_avg_sq);
    const double root = std::sqrt(1 - std::pow(config.beta2, t));
    torch::Tensor spread = exp_avg_sq.sqrt().add_(config.eps * root);
    return torch::div_out(spread, exp_avg, spread).mul_(root / (1 - std::pow(beta1, t)));
  }
  TensorStep adam(const TensorStep& grad) const {
    return {adam(grad.A.to(type()), "_A"), adam(grad.B.to(type()), "_B")};
  }

  /// The factors as they are now, in double.
  TensorStep factors() const {
    return {current_value(batch.parameters(&Item::A), batch.state("master_A"), torch::kDouble),
            current_value(batch.parameters(&Item::B), batch.state("master_B"), torch::kDouble)};
  }

  /// parameter = (1 - lr decay) parameter - lr direction, and its master likewise.
  void descend(torch::Tensor Item::*which, const std::string& suffix,
               const torch::Tensor& direction, double lr) const {
    const bool has_master = (batch.first().*which).scalar_type() != type();
    const std::string master = "master" + suffix;
    const torch::Tensor value =
        current_value(batch.parameters(which), has_master ? batch.state(master) : torch::Tensor(),
                      type()) *
            (1 - lr * config.group.weight_decay) -
        direction.to(type()) * lr;
    if (has_master) batch.set_state(master, value);
    for (std::size_t i = 0; i < batch.items.size(); ++i)
      torch::Tensor(batch.items[i]->*which).copy_(part_of(value, i));
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

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/rule.hpp>

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// Finiteness and norm of a parameter and its gradient, for rules that look at elements alone.
inline Preparation prepare_elements(std::initializer_list<FactorView> parameters,
                                    std::initializer_list<FactorView> gradients,
                                    double grad_scale, double norm_limit, ClipNorm clip_norm,
                                    Wide* scratch) {
  Preparation result;
  Wide values = 0, squared = 0;
  for (const FactorView& parameter : parameters) values += squared_norm(parameter, scratch);
  for (const FactorView& gradient : gradients) squared += squared_norm(gradient, scratch);
  squared *= grad_scale * grad_scale;
  if (!is_finite(values) || !is_finite(squared)) {
    result.report.status = AdjustStatus::non_finite;
  } else if (!(std::sqrt(squared) < norm_limit)) {
    result.report.status = AdjustStatus::overflow;
  }
  if (clip_norm != ClipNorm::none) result.squared_norm = squared;
  return result;
}

}  // namespace detail

/// Stochastic gradient descent on a parameter without factors: w <- decay w - lr g. No state.
template <typename Scalar>
struct DenseSgdState {
  explicit DenseSgdState(Index /*size*/) {}
  template <typename Visitor>
  void visit(Visitor&&) {}
  static Index scratch_size() { return 2 * kPanelWidth; }
  static Index wide_scratch_size() { return kPanelWidth; }

  Preparation prepare(const Dense& dense, const StepContext& context,
                      const Scratch<Scalar>& scratch) {
    return detail::prepare_elements(
        {dense.value}, {dense.grad}, context.grad_scale,
        static_cast<double>(std::numeric_limits<Scalar>::max()), context.clip_norm, scratch.wide);
  }

  void update(const Dense& dense, const StepContext& context, const Scratch<Scalar>& scratch) {
    const auto scale = static_cast<Scalar>(context.grad_scale * context.clip);
    detail::update_parameter(dense.value, dense.master, context.decay, context.lr,
                             scratch.scalars, [&](Index panel, Index width, Scalar* d) {
                               load_panel(dense.grad, panel, d);
                               for (Index i = 0; i < width; ++i) d[i] *= scale;
                             });
  }
};

/// AdamW on a parameter without factors: heads, norms, biases, and matrices under full fine-tuning.
/// State: exp_avg and exp_avg_sq of the parameter's size.
/// \ref Loshchilov & Hutter, arXiv:1711.05101v3, algorithm 2.
template <typename Scalar>
struct DenseAdamWState {
  explicit DenseAdamWState(Index size) : exp_avg(size), exp_avg_sq(size) {}
  template <typename Visitor>
  void visit(Visitor&& visitor) {
    visitor("exp_avg", StateTensor<Scalar>(exp_avg.data(), 1, exp_avg.size()));
    visitor("exp_avg_sq", StateTensor<Scalar>(exp_avg_sq.data(), 1, exp_avg_sq.size()));
  }
  static Index scratch_size() { return 4 * kPanelWidth; }
  static Index wide_scratch_size() { return kPanelWidth; }

  Preparation prepare(const Dense& dense, const StepContext& context,
                      const Scratch<Scalar>& scratch) {
    return detail::prepare_elements(
        {dense.value}, {dense.grad}, context.grad_scale,
        std::sqrt(static_cast<double>(std::numeric_limits<Scalar>::max())), context.clip_norm,
        scratch.wide);
  }

  void update(const Dense& dense, const StepContext& context, const Scratch<Scalar>& scratch) {
    const auto scale = static_cast<Scalar>(context.grad_scale * context.clip);
    const OptimizerConfig& config = *context.config;
    const AdamConstants<Scalar> constants(config.beta1, config.beta2, config.eps, context.step);
    const FactorView m = detail::state_of_A(exp_avg, 1, exp_avg.size());
    const FactorView v = detail::state_of_A(exp_avg_sq, 1, exp_avg_sq.size());
    detail::update_parameter(
        dense.value, dense.master, context.decay, context.lr, scratch.scalars,
        [&](Index panel, Index width, Scalar* d) {
          load_panel(dense.grad, panel, d);
          for (Index i = 0; i < width; ++i) d[i] *= scale;
          detail::adam_panel(constants, m, v, panel, d, scratch.scalars + 2 * kPanelWidth);
        });
  }

  Buffer<Scalar> exp_avg, exp_avg_sq;
};

LORAPRO_NAMESPACE_END

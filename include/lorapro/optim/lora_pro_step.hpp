// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/lora_pro_rule.hpp>
#include <lorapro/optim/rule.hpp>

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// Solves the pair and tells whether dA and dB, and what a rule makes of them, fit the scalar.
/// \param step_limit  norms of dA and dB have to stay below it.
template <typename Scalar>
Preparation prepare_adjusted(const Pair& pair, const StepContext& context, double step_limit,
                             PairSolver& solver, FactorCombination<Scalar>& combination,
                             Wide* scratch) {
  Preparation result;
  result.report =
      solver.solve(pair.model, context.config->adjust_options(), context.grad_scale,
                   context.clip_norm == ClipNorm::equivalent_gradient, scratch);
  if (result.report.status == AdjustStatus::non_finite ||
      result.report.status == AdjustStatus::overflow)
    return result;
  const AdjustCoefficients& c = solver.coefficients();
  if (!(solver.bound_A() < step_limit && solver.bound_B() < step_limit) ||
      !combination.set_A(c) || !combination.set_B(c)) {
    result.report.status = AdjustStatus::overflow;
    return result;
  }
  if (context.clip_norm == ClipNorm::equivalent_gradient)
    result.squared_norm = solver.equivalent_squared_norm(pair.model.scaling, scratch);
  if (context.clip_norm == ClipNorm::adapter) result.squared_norm = solver.adapter_squared_norm();
  return result;
}

/// One factor's update by its adjusted gradient.
/// \param transform  called as transform(panel, d) on the adjusted gradient of a panel.
/// \param scratch    4 rank kPanelWidth scalars, FactorCombination::scratch_size(rank) wide.
template <typename Scalar, typename Transform>
void update_adjusted(const FactorView& factor, const FactorView& master, const FactorView& grad,
                     const FactorCombination<Scalar>& combination, const StepContext& context,
                     const Scratch<Scalar>& scratch, const Transform& transform) {
  const Index size = factor.rank * kPanelWidth;
  Scalar* const f = scratch.scalars + 2 * size;
  Scalar* const g = scratch.scalars + 3 * size;
  update_parameter(factor, master, context.decay, context.lr, scratch.scalars,
                   [&](Index panel, Index width, Scalar* d) {
                     load_panel(factor, panel, f);
                     load_panel(grad, panel, g);
                     combination.apply(f, g, width, d, scratch.wide);
                     transform(panel, d);
                   });
}

}  // namespace detail

LORAPRO_NAMESPACE_END

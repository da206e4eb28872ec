// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/dense_state.hpp>
#include <lorapro/optim/lora_pro_step.hpp>

LORAPRO_NAMESPACE_BEGIN

/// LoRA-Pro with stochastic gradient descent: A <- decay A - lr dA, B <- decay B - lr dB with the
/// adjusted gradients of AdjustCoefficients. No state between steps. Dense parameters: SGD.
/// \cost per pair 8 r^2 (m + n) + 40 r^3 flops.
/// \ref arXiv:2407.18242v3, algorithm 1.
template <>
struct LoraPro<NoMoments> {
  static constexpr const char* kName = "LoraPro<NoMoments>";

  template <typename Scalar>
  struct PairState {
    PairState(Index /*out_features*/, Index /*in_features*/, Index rank) : adjusted(rank) {}
    template <typename Visitor>
    void visit(Visitor&&) {}
    static Index scratch_size(Index rank) { return 4 * panel_size(rank); }
    static Index shared_scratch_size(Index, Index, Index) { return 0; }
    static Index work(Index out_features, Index in_features, Index rank) {
      return (out_features + in_features) * rank * rank / 16;
    }
    static Index wide_scratch_size(Index rank) { return PairSolver::scratch_size(rank); }

    PairSolver& measure(const Pair& pair, const StepContext& context, const Team<Scalar>& team) {
      return detail::measure_adjusted(pair, context, adjusted, team, true);
    }

    Preparation prepare(const Pair& pair, const StepContext& context, const Team<Scalar>& team) {
      return detail::prepare_adjusted<Scalar>(
          pair, context, detail::step_limit<Scalar>(context.largest_lr()), adjusted, team, true,
          [&] {
            gradient_norm_ = adjusted.solver.gradient_norm(
                pair.model.scaling, context.adjust_options(), context.grad_scale, team.own().wide);
            return gradient_norm_;
          });
    }

    void update(const Pair& pair, const StepContext& context, const Team<Scalar>& team) {
      if (context.clip == 1 || !project_clipped(pair, context, context.clip, team)) {
        if (context.clip != 1) (void)project(pair, context, 1, team);
        adjusted.solver.coefficients().scale(context.clip);
        (void)adjusted.combine(pair);
      }
      const auto descend = [](const StepContext& side) {
        return [&side](Index panel, const PanelLayout& layout, const Panel<const Scalar>& d,
                       const Panel<Scalar>& value, const Scratch<Scalar>&) {
          detail::descend_panel(side.decay, side.lr, layout, panel, d, value);
        };
      };
      const StepContext context_B = context.of_B();
      detail::update_adjusted(pair.model.lora_A, pair.master_A, pair.model.grad_A,
                              adjusted.combination_A, team, descend(context));
      detail::update_adjusted(pair.model.lora_B, pair.master_B, pair.model.grad_B,
                              adjusted.combination_B, team, descend(context_B));
    }

    detail::AdjustedPair<Scalar> adjusted;

   private:
    /// Coefficients for the gradient times `clip`.
    bool project(const Pair& pair, const StepContext& context, double clip,
                 const Team<Scalar>& team) {
      return adjusted.solver.project(pair.model.scaling, context.adjust_options(),
                                     clip * gradient_norm_, clip * context.grad_scale,
                                     team.own().wide);
    }

    /// A clipped gradient moves the fixed factor less and is bounded less, so that a step with it
    /// is that of a gradient which came so. \return false if something overflows that did not
    /// before.
    bool project_clipped(const Pair& pair, const StepContext& context, double clip,
                         const Team<Scalar>& team) {
      const double limit = detail::step_limit<Scalar>(context.largest_lr());
      const PairSolver& solver = adjusted.solver;
      return project(pair, context, clip, team) && detail::is_below(solver.bound_A(), limit) &&
             detail::is_below(solver.bound_B(), limit) && adjusted.combine(pair);
    }

    double gradient_norm_ = 0;  // N of scale_free_dampings, before clipping
  };

  template <typename Scalar>
  using DenseState = DenseSgdState<Scalar>;
};

LORAPRO_NAMESPACE_END

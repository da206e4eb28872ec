// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/dense_state.hpp>
#include <lorapro/optim/lora_pro_step.hpp>

LORAPRO_NAMESPACE_BEGIN

/// LoRA-Pro with stochastic gradient descent: A <- decay A - lr dA, B <- decay B - lr dB with the
/// adjusted gradients of AdjustCoefficients. No state between steps. Dense parameters: SGD.
/// \cost per pair 7 r^2 (m + n) + r^2 n + 40 r^3 flops.
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
      return detail::measure_adjusted(pair, context, adjusted, team, grams(context));
    }

    Preparation prepare(const Pair& pair, const StepContext& context, const Team<Scalar>& team) {
      return detail::prepare_adjusted<Scalar>(
          pair, context, detail::step_limit<Scalar>(context.largest_lr()), adjusted, team,
          grams(context), [&] {
            gradient_norm_ = adjusted.solver.gradient_norm(
                pair.model.scaling, context.adjust_options(), context.grad_scale, team.own().wide);
            return gradient_norm_;
          });
    }

    void update(const Pair& pair, const StepContext& context, const Team<Scalar>& team) {
      if (context.clip != 1) clip(pair, context, team);
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

    /// Replaces what prepare has made by that of the clipped gradient, which moves the fixed factor
    /// less and is bounded less: the step is that of a gradient which came so. Where that overflows
    /// and prepare's did not, it is prepare's, scaled.
    void clip(const Pair& pair, const StepContext& context, const Team<Scalar>& team) {
      const double limit = detail::step_limit<Scalar>(context.largest_lr());
      const PairSolver& solver = adjusted.solver;
      if (project(pair, context, context.clip, team) && detail::is_below(solver.bound_A(), limit) &&
          detail::is_below(solver.bound_B(), limit) && adjusted.combine(pair))
        return;
      (void)project(pair, context, 1, team);
      adjusted.solver.coefficients().scale(context.clip);
      (void)adjusted.combine(pair);
    }

    /// Only that of the gradient whose factor's move is bounded.
    static detail::GradGrams grams(const StepContext& context) {
      if (context.config->damping == 0) return {};
      return {fixes_A(context.free_factor), !fixes_A(context.free_factor)};
    }

    double gradient_norm_ = 0;  // N of scale_free_dampings, before clipping
  };

  template <typename Scalar>
  using DenseState = DenseSgdState<Scalar>;
};

LORAPRO_NAMESPACE_END

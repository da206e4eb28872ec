// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/lora_pro_step.hpp>
#include <lorapro/optim/sgd_rule.hpp>

LORAPRO_NAMESPACE_BEGIN

/// LoRA-Pro with stochastic gradient descent: A <- decay A - lr dA, B <- decay B - lr dB with the
/// adjusted gradients of AdjustCoefficients. No state between steps. Dense parameters: SGD.
/// \cost per pair 7 r^2 (m + n) + r^2 n + 40 r^3 flops.
/// \ref arXiv:2407.18242v3, algorithm 1.
/// In plain Eigen: bench/naive/pro_rules.hpp.
template <>
struct LoraPro<NoMoments> : PairRule {
  static constexpr const char* kName = "lora_pro_sgd";
  static constexpr bool kNeedsSpectra = true;

  template <typename Scalar>
  class PairState {
   public:
    explicit PairState(const PairShape& shape) : adjusted_(shape.rank) {}
    template <typename Visitor>
    void visit(Visitor&&) {}
    static RuleWorkspace workspace(const PairShape& shape) {
      return {4 * panel_size(shape.rank), PairSolver::scratch_size(shape.rank), 0,
              (shape.out_features + shape.in_features) * shape.rank * shape.rank / 16};
    }
    /// Only that of the gradient whose factor's move is bounded.
    static PerSide<bool> grad_grams(const StepContext& context) {
      PerSide<bool> needed;
      needed[other(context.free_factor)] = context.config->damping != 0;
      return needed;
    }

    Preparation prepare(const PairStep<Scalar>& step) {
      return prepare_adjusted(step, limit(step), adjusted_, [&] {
        gradient_norm_ = step.solver->gradient_norm(step.pair.scaling, step.adjust_options(),
                                                    step.context.grad_scale, step.wide());
        return gradient_norm_;
      });
    }

    void update(const PairStep<Scalar>& step) {
      if (step.context.clip != 1) clip(step);
      for (const Side side : kSides) {
        const Factor& factor = step.pair[side];
        descend_along(factor, adjusted_[side], step.team,
                      [&](const PanelAt& at, const Panel<const Scalar>&, Scalar* memory,
                          const Scratch<Scalar>&) {
                        return read_panel(factor.grad, at.layout, at.panel, memory);
                      });
      }
    }

   private:
    static double limit(const PairStep<Scalar>& step) {
      return detail::step_limit<Scalar>(step.pair.largest_lr());
    }

    /// Coefficients for the gradient times `clip`.
    bool project(const PairStep<Scalar>& step, double clip) {
      return step.solver->project(step.pair.scaling, step.adjust_options(), clip * gradient_norm_,
                                  clip * step.context.grad_scale, step.wide());
    }

    /// Replaces what prepare has made by that of the clipped gradient, which moves the fixed factor
    /// less and is bounded less: the step is that of a gradient which came so. Where that overflows
    /// and prepare's did not, it is prepare's, scaled.
    void clip(const PairStep<Scalar>& step) {
      PairSolver& solver = *step.solver;
      if (project(step, step.context.clip) && solver.is_bounded_by(limit(step)) &&
          adjusted_.set(step.pair, solver.coefficients()))
        return;
      (void)project(step, 1);
      solver.coefficients().scale(step.context.clip);
      (void)adjusted_.set(step.pair, solver.coefficients());
    }

    PairCombination<Scalar> adjusted_;
    double gradient_norm_ = 0;  // N of scale_free_dampings, before clipping
  };

  template <typename Scalar>
  using DenseState = ElementwiseDense<SgdRule, Scalar>;
};

LORAPRO_NAMESPACE_END

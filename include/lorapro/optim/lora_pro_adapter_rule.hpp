// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/lora_pro_step.hpp>

LORAPRO_NAMESPACE_BEGIN

/// LoRA-Pro AdamW, efficient: Adam moments of the adjusted gradients dA and dB, element by element.
/// State 2 (m + n) r, as plain LoRA. The element-wise normalisation gives up the optimality of the
/// adjusted gradient, and without damping an early spike of dA nearly freezes A for about
/// 1 / (1 - beta2) steps.
/// \cost per pair 7 r^2 (m + n) + 38 r^3 flops.
/// \ref arXiv:2407.18242v3, the efficient variant of algorithm 2.
/// In plain Eigen: bench/naive/pro_rules.hpp.
template <>
struct LoraPro<AdapterMoments> : PairRule {
  static constexpr const char* kName = "lora_pro_adapter";
  static constexpr bool kNeedsSpectra = true;

  template <typename Scalar>
  class PairState {
   public:
    explicit PairState(const PairShape& shape)
        : exp_avg_(FactorState<Scalar>::of(shape)),
          exp_avg_sq_(FactorState<Scalar>::of(shape)),
          adjusted_(shape.rank) {}
    template <typename Visitor>
    void visit(Visitor&& visitor) {
      visit_sides("exp_avg", exp_avg_, visitor);
      visit_sides("exp_avg_sq", exp_avg_sq_, visitor);
    }
    static RuleWorkspace workspace(const PairShape& shape) {
      return {6 * panel_size(shape.rank), PairSolver::scratch_size(shape.rank), 0,
              (shape.out_features + shape.in_features) * shape.rank * shape.rank / 16};
    }
    static PerSide<bool> grad_grams(const StepContext&) { return {}; }

    Preparation prepare(const PairStep<Scalar>& step) {
      return prepare_adjusted(step, detail::largest_adam_gradient<Scalar>(), adjusted_);
    }

    void update(const PairStep<Scalar>& step) {
      AdjustCoefficients& coefficients = step.solver->coefficients();
      coefficients.scale(step.context.clip);
      (void)adjusted_.set(step.pair, coefficients);
      // What the coefficients hold is no part of the gradient any more.
      StepContext of_adjusted = step.context;
      of_adjusted.grad_scale = of_adjusted.clip = 1;
      for (const Side side : kSides) {
        const AdamWRule::Update<Scalar> adamw(ElementStep(step.pair[side], of_adjusted));
        const std::array<FactorView, 2> moments{exp_avg_[side].view(), exp_avg_sq_[side].view()};
        update_adjusted(step.pair[side], adjusted_[side], step.team,
                        [&](const PanelAt& at, const Panel<const Scalar>& d,
                            const Panel<Scalar>& value, const Scratch<Scalar>& scratch) {
                          detail::update_panel<AdamWRule>(adamw, at, d, moments, value,
                                                          scratch.scalars);
                        });
      }
    }

   private:
    PerSide<FactorState<Scalar>> exp_avg_, exp_avg_sq_;
    PairCombination<Scalar> adjusted_;
  };

  template <typename Scalar>
  using DenseState = ElementwiseDense<AdamWRule, Scalar>;
};

LORAPRO_NAMESPACE_END

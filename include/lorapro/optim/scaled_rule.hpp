// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/lora_pro_step.hpp>
#include <lorapro/optim/sgd_rule.hpp>

LORAPRO_NAMESPACE_BEGIN

/// Riemannian preconditioning: an element-wise rule on the gradients
///
///     hA = (P + delta I)^-1 grad_A        hB = grad_B (Q + delta I)^-1
///     delta = rho (l_max + u_max),  P = B^T B,  Q = A A^T
///
/// with the largest eigenvalues l_max of P and u_max of Q and rho = OptimizerConfig::damping. There
/// is no 1 / s^2, as in the paper: the learning rate holds it. Without damping a factor that has
/// lost rank is divided by what survives of it (Moore and Penrose). At B = 0 and rho = 0 the first
/// step leaves A alone and the second moves it by O(1). With SGD and rho = 0 W does not depend on
/// how it is factorised; AdamW gives that up.
/// State: that of the element-wise rule.
/// \cost per pair 7 r^2 (m + n) + 20 r^3 flops; no heap.
/// \tparam ElementRule  an ElementwiseRule.
/// \ref Zhang & Pilanci, Riemannian preconditioned LoRA, arXiv:2402.02347v3, algorithms 1 and 2;
///      its code adds a fixed delta of 1e-6, and preconditions B by the A that it has just updated.
template <typename ElementRule>
struct ScaledRule : PairRule {
  static constexpr bool kNeedsSpectra = true;

  template <typename Scalar>
  class PairState {
   public:
    explicit PairState(const PairShape& shape)
        : preconditioned_(shape.rank), arena_(3 * square_size(shape.rank) + shape.rank) {
      for (auto& state : states_) state = FactorState<Scalar>::of(shape);
      for (Square& inverse : inverses_) inverse = arena_.square(shape.rank);
      zero_ = arena_.square(shape.rank);
      values_ = arena_.vector(shape.rank);
      arena_.close();
    }
    template <typename Visitor>
    void visit(Visitor&& visitor) {
      for (std::size_t k = 0; k < kStates; ++k)
        visit_sides(ElementRule::kState[k], states_[k], visitor);
    }
    static RuleWorkspace workspace(const PairShape& shape) {
      return {(4 + static_cast<Index>(kStates)) * panel_size(shape.rank),
              PairSolver::scratch_size(shape.rank), 0,
              (shape.out_features + shape.in_features) * shape.rank * shape.rank / 16};
    }
    static PerSide<bool> grad_grams(const StepContext&) { return {}; }

    Preparation prepare(const PairStep<Scalar>& step) {
      PairSolver& solver = *step.solver;
      Preparation result;
      result.report = solver.inspect(step.pair, step.context.grad_scale);
      if (!result.report.usable()) return result;
      const double limit = ElementRule::template largest_gradient<Scalar>(step.pair.largest_lr());
      const double delta = step.context.config->damping *
                           (solver.spectra().P().largest + solver.spectra().Q().largest);
      double conditioning = 1;
      bool fits = true;
      for (const Side side : kSides) {
        const Spectrum& spectrum = solver.spectra().of(other(side));
        conditioning = (std::max)(conditioning, invert(spectrum, delta, side, step.wide()));
        const double bound =
            norm(inverses_[side]) * solver.grad_norm(side) * step.context.grad_scale;
        fits = fits && detail::is_below(bound, limit) &&
               detail::is_below(solver.factor_norm(side), detail::step_limit<Scalar>(0));
      }
      const PerSide<SideCoefficients> coefficients{{inverses_.A, zero_}, {inverses_.B, zero_}};
      if (!fits || !preconditioned_.set(step.pair, coefficients, conditioning))
        result.report.status = AdjustStatus::overflow;
      if (step.context.clip_norm != ClipNorm::none)
        result.squared_norm = solver.adapter_squared_norm();
      return result;
    }

    void update(const PairStep<Scalar>& step) {
      for (const Side side : kSides) {
        const Factor& factor = step.pair[side];
        const typename ElementRule::template Update<Scalar> update(
            ElementStep(factor, step.context));
        std::array<FactorView, kStates> states;
        for (std::size_t k = 0; k < kStates; ++k) states[k] = states_[k][side].view();
        update_adjusted(factor, preconditioned_[side], step.team,
                        [&](const PanelAt& at, const Panel<const Scalar>& h,
                            const Panel<Scalar>& value, const Scratch<Scalar>& scratch) {
                          detail::update_panel<ElementRule>(update, at, h, states, value,
                                                            scratch.scalars);
                        });
      }
    }

   private:
    static constexpr std::size_t kStates = detail::kStatesOf<ElementRule>;

    /// (S + delta I)^-1. \return the largest over the smallest eigenvalue that was inverted.
    double invert(const Spectrum& spectrum, double delta, Side side, Workspace scratch) const {
      const Index r = inverses_.A.order();
      const double largest = spectrum.largest + delta;
      const double cutoff = static_cast<double>(r) * std::numeric_limits<Wide>::epsilon() * largest;
      double smallest = largest;
      for (Index i = 0; i < r; ++i) {
        const double value = spectrum.values[i] + delta;
        const bool counts = value > cutoff && (delta > 0 || spectrum.counts(i));
        values_[i] = counts ? 1 / value : 0;
        if (counts) smallest = (std::min)(smallest, value);
      }
      from_eigenbasis(inverses_[side], spectrum.vectors, values_, scratch);
      return smallest > 0 ? largest / smallest : 1;
    }

    std::array<PerSide<FactorState<Scalar>>, kStates> states_;
    PairCombination<Scalar> preconditioned_;
    Arena arena_;
    PerSide<Square> inverses_;
    Square zero_;  // stays so
    Wide* values_ = nullptr;
  };

  template <typename Scalar>
  using DenseState = ElementwiseDense<ElementRule, Scalar>;
};

struct ScaledGdRule : ScaledRule<SgdRule> {
  static constexpr const char* kName = "scaled_gd";
};
struct ScaledAdamWRule : ScaledRule<AdamWRule> {
  static constexpr const char* kName = "scaled_adamw";
};

LORAPRO_NAMESPACE_END

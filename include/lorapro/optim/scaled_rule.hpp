// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/preconditioned_factor.hpp>
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
    explicit PairState(const PairShape& shape) : sides_(Preconditioned::of(shape)) {}
    template <typename Visitor>
    void visit(Visitor&& visitor) {
      for (Preconditioned& side : sides_) side.visit(visitor);
    }
    static RuleWorkspace workspace(const PairShape& shape) {
      return Preconditioned::workspace(shape);
    }
    static PerSide<bool> grad_grams(const StepContext&) { return {}; }

    Preparation prepare(const PairStep<Scalar>& step) {
      PairSolver& solver = *step.solver;
      const SpectralPair& spectra = solver.spectra();
      Preparation result;
      result.report = solver.inspect(step.pair, step.context.grad_scale);
      if (!result.report.usable()) return result;
      const double delta =
          step.context.config->damping * (spectra.P().largest + spectra.Q().largest);
      double conditioning = 1;
      for (const Side side : kSides)
        conditioning = (std::max)(
            conditioning,
            shifted_inverse(spectra.of(other(side)), delta, sides_[side].matrix(), step.wide()));
      for (Preconditioned& side : sides_)
        if (!side.set(step, conditioning)) result.report.status = AdjustStatus::overflow;
      if (step.context.clip_norm != ClipNorm::none)
        result.squared_norm = solver.adapter_squared_norm();
      return result;
    }

    void update(const PairStep<Scalar>& step) {
      for (Preconditioned& side : sides_) side.update(step);
    }

   private:
    using Preconditioned = PreconditionedFactor<ElementRule, Scalar>;
    PerSide<Preconditioned> sides_;
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

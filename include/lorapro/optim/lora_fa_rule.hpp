// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/preconditioned_factor.hpp>

LORAPRO_NAMESPACE_BEGIN

/// LoRA-FA: A stays as it is drawn, without decay, and AdamW moves B along
///
///     (1 / s^2) grad_B Q^-1,  Q = A A^T
///
/// so that s dB A is AdamW's version of G P_A, the part of the full gradient that B can reach. The
/// scaling only shows beside eps. From A = 0, whose partner B would not be, nothing moves. Clipping
/// measures grad_B. Under DecayTarget::merged B has the decay of both factors. State: exp_avg and
/// exp_avg_sq of B, 2 m r.
/// \cost per pair 3 r^2 (m + n) + 4 r^2 m + 20 r^3 flops; no heap.
/// \ref Zhang et al., LoRA-FA, arXiv:2308.03303, with the gradient of PEFT's optimizer; that one adds
///      1e-8 to Q and eps before the bias correction, and decays after the step.
struct LoraFaRule : PairRule {
  static constexpr const char* kName = "lora_fa";
  static constexpr bool kNeedsSpectra = true;
  static constexpr bool kMovesOneFactor = true;

  template <typename Scalar>
  class PairState {
   public:
    explicit PairState(const PairShape& shape) : B_(Side::B, shape) {}
    template <typename Visitor>
    void visit(Visitor&& visitor) {
      B_.visit(visitor);
    }
    static RuleWorkspace workspace(const PairShape& shape) {
      return Preconditioned::workspace(shape);
    }
    static PerSide<bool> grad_grams(const StepContext&) { return {}; }

    Preparation prepare(const PairStep<Scalar>& step) {
      PairSolver& solver = *step.solver;
      Preparation result;
      result.report = solver.inspect(step.pair, step.context.grad_scale);
      if (!result.report.usable()) return result;
      const double conditioning =
          shifted_inverse(solver.spectra().Q(), 0, B_.matrix(), step.wide());
      scale(B_.matrix(), 1 / (step.pair.scaling * step.pair.scaling));
      if (!B_.set(step, conditioning)) result.report.status = AdjustStatus::overflow;
      if (step.context.clip_norm != ClipNorm::none) {
        const double grad_norm = step.context.grad_scale * solver.grad_norm(Side::B);
        result.squared_norm = grad_norm * grad_norm;
      }
      return result;
    }

    void update(const PairStep<Scalar>& step) { B_.update(step); }

   private:
    using Preconditioned = PreconditionedFactor<AdamWRule, Scalar>;
    Preconditioned B_;
  };

  template <typename Scalar>
  using DenseState = ElementwiseDense<AdamWRule, Scalar>;
};

LORAPRO_NAMESPACE_END

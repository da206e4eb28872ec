// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/preconditioned_factor.hpp>
#include <lorapro/optim/rule_list.hpp>

LORAPRO_NAMESPACE_BEGIN

/// RefLoRA: AdamW on the gradients
///
///     S^-1 grad_A,  grad_B S        S = Q^-1/2 (Q^1/2 P Q^1/2)^1/2 Q^-1/2,  P = B^T B,  Q = A A^T
///
/// S is the geometric mean of P and Q^-1, S Q S = P: to first order the step of W is that of the
/// balanced pair (B S^-1/2, S^1/2 A), whose Gram matrices are equal. In the first kWarmup steps, and
/// wherever a factor has lost rank, from B = 0 to begin with, S is the identity, and the rule plain
/// AdamW; the moments go on. So it is where Q^1/2 P Q^1/2 is too ill-conditioned for its small
/// eigenvalues to be known. W depends on how it is factorised, since AdamW does. State: exp_avg and
/// exp_avg_sq, 2 (m + n) r.
/// \cost per pair 7 r^2 (m + n) + 45 r^3 flops; no heap.
/// \ref Zhang et al., RefLoRA, arXiv:2505.18877, whose code has the 100 steps, and eps on singular
///      values in place of the rank.
template <std::int64_t kWarmup>
struct RefLoraRule : PairRule {
  static constexpr const char* kName = "reflora";
  static constexpr bool kNeedsSpectra = true;

  template <typename Scalar>
  class PairState {
   public:
    explicit PairState(const PairShape& shape)
        : sides_(Preconditioned::of(shape)),
          arena_(4 * square_size(shape.rank) + shape.rank + symmetric_eigen_scratch(shape.rank)) {
      scaled_ = arena_.square(shape.rank);
      product_ = arena_.square(shape.rank);
      middle_ = arena_.square(shape.rank);
      vectors_ = arena_.square(shape.rank);
      values_ = arena_.vector(shape.rank);
      eigen_scratch_ = arena_.vector(symmetric_eigen_scratch(shape.rank));
      arena_.close();
    }
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
      Preparation result;
      result.report = solver.inspect(step.pair, step.context.grad_scale);
      if (!result.report.usable()) return result;
      double conditioning = 1;
      const bool balanced = step.context.step > kWarmup &&
                            result.report.status == AdjustStatus::ok &&
                            balance(solver, conditioning, step.wide());
      if (!balanced)
        for (const Preconditioned& side : sides_) set_identity(side.matrix());
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
    using Preconditioned = PreconditionedFactor<AdamWRule, Scalar>;

    static void set_identity(Square out) {
      set_zero(out);
      for (Index i = 0; i < out.order(); ++i) out(i, i) = 1;
    }

    /// S^-1 and S. With Q = U diag(u) U^T and K = U^T Q^1/2 P Q^1/2 U = X diag(w) X^T,
    /// S = Y^T diag(w)^1/2 Y of Y = X^T u^-1/2 U^T, and S^-1 likewise of u^1/2 and w^-1/2.
    /// \pre Both factors have their rank.
    /// \return false if K has lost its rank.
    bool balance(PairSolver& solver, double& conditioning, Workspace scratch) {
      const Spectrum& Q = solver.spectra().Q();
      const Index r = solver.rank();
      Wide* const roots = scratch.vector(r);
      for (Index i = 0; i < r; ++i) roots[i] = std::sqrt(Q.values[i]);
      scale_rows(scaled_, roots, Q.vectors);
      multiply(product_, scaled_, solver.gram(Side::B));
      multiply(middle_, product_, transposed(scaled_));
      symmetrize(middle_);
      if (!symmetric_eigen(middle_.data(), r, values_, vectors_.data(), eigen_scratch_))
        return false;
      const auto [least, largest] = std::minmax_element(values_, values_ + r);
      const Wide cutoff = static_cast<Wide>(r) * std::numeric_limits<Wide>::epsilon() * *largest;
      if (!(*least > cutoff)) return false;
      conditioning = std::sqrt(*largest / *least);
      for (Index i = 0; i < r; ++i) values_[i] = 1 / std::sqrt(values_[i]);
      set_side(sides_.A.matrix());
      for (Index i = 0; i < r; ++i) {
        roots[i] = 1 / roots[i];
        values_[i] = 1 / values_[i];
      }
      scale_rows(scaled_, roots, Q.vectors);
      set_side(sides_.B.matrix());
      return true;
    }

    /// out = Y^T diag(values) Y of Y = vectors_ scaled_.
    void set_side(Square out) const {
      multiply(product_, vectors_, scaled_);
      scale_rows(middle_, values_, product_);
      multiply(out, transposed(product_), middle_);
    }

    PerSide<Preconditioned> sides_;
    Arena arena_;
    Square scaled_, product_, middle_, vectors_;
    Wide *values_ = nullptr, *eigen_scratch_ = nullptr;
  };

  template <typename Scalar>
  using DenseState = ElementwiseDense<AdamWRule, Scalar>;
};

LORAPRO_NAMESPACE_END

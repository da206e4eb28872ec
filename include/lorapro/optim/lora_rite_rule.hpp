// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/lora_pro_step.hpp>
#include <lorapro/optim/moving_bases.hpp>

LORAPRO_NAMESPACE_BEGIN

/// LoRA-RITE: Adam with a matrix for a second moment, in coordinates that do not depend on how W is
/// factorised. For A, with B = U R, U^T U = I (B likewise, from A^T = U' R'):
///
///     g = R^-T grad_A = s U^T G,  K = U^T U_old,  bk = beta_k (1 - beta_k^(t-1)) / (1 - beta_k^t)
///     V <- b2 K V K^T + (1 - b2) g g^T / n           (r, r)
///     M <- b1 K M + (1 - b1) V^-1/2 g                (r, n)
///     dA = R^-1 M
///
/// V^-1/2 divides by sqrt(w) + eps along the eigenvectors of V, w being its eigenvalues, of which
/// those that are rounding noise of the largest are left out. U R comes from the eigenbasis of
/// P = B^T B, U = B Z^T with Z = l^-1/2 X^T: the rule does not depend on this choice, nor on one that
/// changes from step to step. M is kept as the step R^-1 M, in the coordinates of A, and transported
/// as EarlierFactors does. W does not depend on how it is factorised, B = 0 included, from where A
/// stays in the first step. ClipNorm::equivalent_gradient measures the norm of both g, which does
/// not, either. Recommended: eps = 1e-6.
/// State: exp_avg and the factors before, 2 (m + n) r; V and Z of either side, 4 r^2.
/// \cost per pair 10 r^2 (m + n) + 100 r^3 flops; no heap.
/// \ref Yen et al., LoRA-RITE, arXiv:2410.20625, with the averages of its code, where the paper's
///      algorithm 1 sums V; without the escape mass. The code clips all g at 1, and drops those
///      whose root mean square is above 1.
struct LoraRiteRule : PairRule {
  static constexpr const char* kName = "lora_rite";
  static constexpr bool kNeedsSpectra = true;

  template <typename Scalar>
  class PairState {
   public:
    explicit PairState(const PairShape& shape)
        : shape_(shape),
          exp_avg_(FactorState<Scalar>::of(shape)),
          bases_(shape),
          steps_(shape.rank),
          arena_(18 * square_size(shape.rank) + shape.rank + symmetric_eigen_scratch(shape.rank)) {
      for (SideState& side : sides_)
        for (Square* square : {&side.second, &side.next_second, &side.inverse, &side.transport,
                               &side.moved, &side.own})
          *square = arena_.square(shape.rank);
      for (OwnedCoefficients& side : coefficients_)
        side = OwnedCoefficients::in(arena_, shape.rank);
      vectors_ = arena_.square(shape.rank);
      product_ = arena_.square(shape.rank);
      values_ = arena_.vector(shape.rank);
      eigen_scratch_ = arena_.vector(symmetric_eigen_scratch(shape.rank));
      arena_.close();
    }
    template <typename Visitor>
    void visit(Visitor&& visitor) {
      visit_sides("exp_avg", exp_avg_, visitor);
      bases_.visit(visitor);
      for (const Side side : kSides) {
        const Square second = sides_[side].second;
        visitor(std::string(side == Side::A ? "second_A" : "second_B"),
                StateTensor(second.data(), second.order(), second.order()));
      }
    }
    static RuleWorkspace workspace(const PairShape& shape) {
      return {4 * panel_size(shape.rank),
              (std::max)(PairSolver::scratch_size(shape.rank),
                         MovingBases<Scalar>::scratch_size(shape.rank)),
              0, (shape.out_features + shape.in_features) * shape.rank * shape.rank / 8};
    }
    static PerSide<bool> grad_grams(const StepContext&) { return {true, true}; }

    Preparation prepare(const PairStep<Scalar>& step) {
      PairSolver& solver = *step.solver;
      const StepContext& context = step.context;
      Preparation result;
      result.report = solver.inspect(step.pair, context.grad_scale);
      if (!result.report.usable()) return result;
      bases_.compute(step.pair, solver.spectra(), step.team);
      bool fits = true;
      double squared_norm = 0;
      for (const Side side : kSides) {
        follow(side, solver.spectra().of(other(side)), step.wide());
        squared_norm += see_gradient(side, solver);
        fits = fits && set_step(side, step, 1.0) && is_bounded(side, step);
      }
      if (!fits) result.report.status = AdjustStatus::overflow;
      if (context.clip_norm == ClipNorm::equivalent_gradient)
        result.squared_norm = context.grad_scale * context.grad_scale * squared_norm;
      if (context.clip_norm == ClipNorm::adapter)
        result.squared_norm = solver.adapter_squared_norm();
      return result;
    }

    void update(const PairStep<Scalar>& step) {
      const SpectralPair& spectra = step.solver->spectra();
      for (const Side side : kSides) {
        // Of a smaller gradient, so as finite as what prepare has found.
        if (step.context.clip != 1) (void)set_step(side, step, step.context.clip);
        copy(sides_[side].second, sides_[side].next_second);
      }
      bases_.keep(step.pair, step.team);
      steps_.set_widely(step.pair, coefficients_,
                        (std::max)(spectra.P().conditioning(), spectra.Q().conditioning()));
      for (const Side side : kSides) {
        const Factor& factor = step.pair[side];
        const FactorView exp_avg = exp_avg_[side].view();
        update_factor(
            factor, step.team,
            [&](const PanelAt& at, const Panel<Scalar>& value, Scratch<Scalar> scratch) {
              const Index size = panel_size(shape_.rank);
              const auto g =
                  read_panel(factor.grad, at.layout, at.panel, scratch.scalars.vector(size));
              const auto before =
                  read_panel(exp_avg, at.layout, at.panel, scratch.scalars.vector(size));
              const Panel<Scalar> moment{scratch.scalars.vector(size), at.layout.stride()};
              steps_[side].apply(at, before, g, moment, scratch.wide);
              write_panel(read_only(moment), exp_avg, at.layout, at.panel);
              descend_panel(factor.decay, factor.lr, at, read_only(moment), value);
            });
      }
    }

   private:
    /// What belongs to dA (bases of B), or to dB.
    struct SideState {
      Square second;       // V of the step before, which is state
      Square next_second;  // of this one
      Square inverse;      // P^-1
      Square transport;    // of what is kept in the coordinates of A
      Square moved;        // K V K^T
      Square own;          // Z grad_A grad_A^T Z^T
    };

    /// beta (1 - beta^(t-1)) / (1 - beta^t): averages with it need no bias correction.
    static double corrected(double beta, std::int64_t step) {
      const auto t = static_cast<double>(step);
      return beta * (1 - std::pow(beta, t - 1)) / (1 - std::pow(beta, t));
    }

    /// V in the new basis, and how the old moment follows.
    void follow(Side side, const Spectrum& spectrum, Workspace scratch) {
      const SideState& of = sides_[side];
      (void)shifted_inverse(spectrum, 0, of.inverse, scratch);
      bases_.earlier().transport(side, of.inverse, of.transport);
      multiply(product_, bases_.K(side), of.second);
      multiply(of.moved, product_, transposed(bases_.K(side)));
    }

    /// g g^T without the scale of gradients. \return its trace.
    double see_gradient(Side side, const PairSolver& solver) {
      const SideState& of = sides_[side];
      multiply(product_, bases_.Z(side), solver.grad_gram(side));
      multiply(of.own, product_, transposed(bases_.Z(side)));
      double trace = 0;
      for (Index i = 0; i < shape_.rank; ++i) trace += of.own(i, i);
      return trace;
    }

    /// V and what makes the new moment of the gradient and the old moment.
    /// \return false if V is not finite.
    bool set_step(Side side, const PairStep<Scalar>& step, double clip) {
      const SideState& of = sides_[side];
      const OwnedCoefficients& out = coefficients_[side];
      const OptimizerConfig& config = *step.context.config;
      const double gradient = step.context.grad_scale * clip;
      const double b1 = corrected(*config.beta1, step.context.step),
                   b2 = corrected(config.beta2, step.context.step);
      const double rest = (1 - b2) / static_cast<double>(shape_.length(side)) * gradient * gradient;
      for (Index i = 0; i < shape_.rank; ++i)
        for (Index k = 0; k <= i; ++k)
          of.next_second(i, k) = of.next_second(k, i) =
              b2 * (of.moved(i, k) + of.moved(k, i)) / 2 + rest * (of.own(i, k) + of.own(k, i)) / 2;
      copy(product_, of.next_second);
      if (!symmetric_eigen(product_.data(), shape_.rank, values_, vectors_.data(), eigen_scratch_))
        return false;
      const Wide noise = static_cast<Wide>(shape_.rank) * std::numeric_limits<Wide>::epsilon() *
                         *std::max_element(values_, values_ + shape_.rank);
      for (Index i = 0; i < shape_.rank; ++i)
        values_[i] =
            values_[i] > noise ? (1 - b1) * gradient / (std::sqrt(values_[i]) + config.eps) : 0;
      // Z^T V^-1/2 Z.
      multiply(product_, vectors_, bases_.Z(side));
      scale_rows(vectors_, values_, product_);
      multiply(out.on_grad, transposed(product_), vectors_);
      copy(out.on_factor, of.transport);
      scale(out.on_factor, b1);
      return all_finite(out.on_grad) && all_finite(out.on_factor);
    }

    /// Whether the step does, also of a clipped gradient.
    bool is_bounded(Side side, const PairStep<Scalar>& step) {
      const PairSolver& solver = *step.solver;
      const ConstSquare Z = bases_.Z(side);
      const double gradient =
          dot(Z, Z) / step.context.config->eps * solver.grad_norm(side) * step.context.grad_scale;
      const double moment = norm(coefficients_[side].on_factor) *
                            std::sqrt(squared_norm_of(exp_avg_[side].view(), step.team));
      return detail::is_below(gradient + moment, detail::step_limit<Scalar>(step.pair[side].lr)) &&
             detail::is_below(solver.factor_norm(side), detail::step_limit<Scalar>(0));
    }

    PairShape shape_;
    PerSide<FactorState<Scalar>> exp_avg_;
    MovingBases<Scalar> bases_;
    PairCombination<Scalar> steps_;
    Arena arena_;
    PerSide<SideState> sides_;
    PerSide<OwnedCoefficients> coefficients_;
    Square vectors_, product_;
    Wide *values_ = nullptr, *eigen_scratch_ = nullptr;
  };

  template <typename Scalar>
  using DenseState = ElementwiseDense<AdamWRule, Scalar>;
};

LORAPRO_NAMESPACE_END

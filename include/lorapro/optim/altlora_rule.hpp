// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/damping.hpp>
#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/earlier_factors.hpp>
#include <lorapro/optim/lora_pro_step.hpp>

LORAPRO_NAMESPACE_BEGIN

/// AltLoRA: one factor in a step, A in the first, the third and so on, B in the others, along the
/// best step of W that this factor has, with a momentum that follows the other factor:
///
///     A:  g = (1 / s^2) P_d grad_A      M_A <- beta1 P_d (B^T B') M_A + (1 - beta1) g
///     B:  g = (1 / s^2) grad_B Q_d      M_B <- beta1 M_B (A' A^T) Q_d + (1 - beta1) g
///     P_d = (B^T B + delta_A I)^-1,  Q_d = (A A^T + delta_B I)^-1
///
/// where B' and A' are those of M's last update. So M_A is what minimises
///
///     ||B M - beta1 B' M_A' - (1 - beta1) G / s||^2 + delta_A ||M||^2
///
/// with M_A' before the step, and M_B likewise. A momentum that came over undamped would move a
/// factor by O(1) wherever the other one has become small, whatever the rate. Where neither B nor the
/// gradient changes M_A becomes (1 / s^2) (B^T B + delta_A / (1 - beta1) I)^-1 grad_A.
///
/// The dampings are those of scale_free_dampings over s^2, of l_max and u_max, the largest
/// eigenvalues of B^T B and A A^T, and rho = OptimizerConfig::damping; the paper's rule has none:
///
///     delta_A = rho l_max + tau^2 / ||A||_F^2      delta_B = rho u_max      tau = lr N / (2 kappa)
///     N <- beta1 N + (1 - beta1) N_G / |s|         (damped_norm: N_G of the gradient)
///
/// while B is the free factor, and the term in tau with delta_B while A is; AltLoRA+ has no such
/// term. As ||B M_A|| <= N after every step, by induction, lr ||M_A||_F <= kappa ||A||_F by the
/// argument there, from B = 0 on and whatever the rate.
///
/// AltLoRA's step is M. AltLoRA+'s is
///
///     M / (sqrt(V) + eps),  V = beta2 V + (1 - beta2) g^2
///
/// without bias corrections, and V is not transported. The factor that rests does not decay either;
/// under DecayTarget::merged the other has the decay of both. Clipping measures the gradient of the
/// factor that moves.
///
/// From B = 0 the first step leaves A alone. AltLoRA+'s first step of B is then a matrix of signs,
/// which can be all but singular: the third step of A is divided by what is left of it unless it is
/// damped. Undamped, AltLoRA does not depend on s nor on how W is factorised; damped it depends on
/// neither s nor the scale of the factors and is invariant under rotations, AltLoRA+ under signed
/// permutations.
/// State: exp_avg, AltLoRA+ exp_avg_sq, and the factors before, 2 or 3 (m + n) r; AltLoRA N.
/// \cost per pair 3 r^2 (m + n), and of the factor that moves 8 r^2, of the other 2 r^2 times its
///       length, + 20 r^3 flops; AltLoRA's fixed factor r^2 times its length more; no heap.
/// \ref arXiv:2505.12455v2, algorithms 1 and 2, whose step t = 0 is the first one here. Its code has
///      no 1 / s^2, adds 1e-3 to P and Q, corrects the bias, keeps AltLoRA+'s momentum as it is and
///      transports it for the step alone.
template <bool kSecondMoment>
struct AltLora : PairRule {
  static constexpr bool kNeedsSpectra = true;
  static constexpr bool kMovesOneFactor = true;
  static constexpr double kMaxRelativeMove = 0.2;  // in every second step

  template <typename Scalar>
  class PairState {
   public:
    explicit PairState(const PairShape& shape)
        : exp_avg_(FactorState<Scalar>::of(shape)),
          earlier_(shape),
          gradient_(shape.rank),
          momentum_(shape.rank),
          arena_(4 * square_size(shape.rank)) {
      if (kSecondMoment) exp_avg_sq_ = FactorState<Scalar>::of(shape);
      on_grad_ = arena_.square(shape.rank);
      on_moment_ = arena_.square(shape.rank);
      rest_ = arena_.square(shape.rank);
      zero_ = arena_.square(shape.rank);
      arena_.close();
    }
    template <typename Visitor>
    void visit(Visitor&& visitor) {
      visit_sides("exp_avg", exp_avg_, visitor);
      if (kSecondMoment) visit_sides("exp_avg_sq", exp_avg_sq_, visitor);
      if (!kSecondMoment) visitor("direction_norm", StateTensor(&direction_norm_, 1, 1));
      earlier_.visit(visitor);
    }
    static RuleWorkspace workspace(const PairShape& shape) {
      return {6 * panel_size(shape.rank),
              (std::max)(PairSolver::scratch_size(shape.rank),
                         EarlierFactors<Scalar>::scratch_size(shape.rank)),
              0, (shape.out_features + shape.in_features) * shape.rank * shape.rank / 16};
    }
    static PerSide<bool> grad_grams(const StepContext& context) {
      PerSide<bool> needed;
      needed[moving(context)] = has_bound(context);
      return needed;
    }

    Preparation prepare(const PairStep<Scalar>& step) {
      PairSolver& solver = *step.solver;
      const StepContext& context = step.context;
      const OptimizerConfig& config = *context.config;
      const Side side = moving(context), still = other(side);
      Preparation result;
      result.report = solver.inspect(step.pair, context.grad_scale);
      if (!result.report.usable()) return result;

      const Spectrum& spectrum = solver.spectra().of(still);
      const double delta = damping(step);
      earlier_.measure(still, step.pair[still].value, step.wide());
      conditioning_ = shifted_inverse(spectrum, delta, on_grad_, step.wide());
      earlier_.transport(side, on_grad_, on_moment_);
      scale(on_moment_, *config.beta1);
      scale(on_grad_, context.grad_scale / (step.pair.scaling * step.pair.scaling));
      for (Index i = 0; i < rest_.order(); ++i) rest_(i, i) = 1 - *config.beta1;

      const Factor& factor = step.pair[side];
      const PanelLayout layout(factor.value);
      const double gradient = norm(on_grad_) * solver.grad_norm(side);
      const double moment =
          norm(on_moment_) * std::sqrt(squared_norm_of(exp_avg_[side].view(), step.team)) +
          gradient;
      const double limit = detail::step_limit<Scalar>(factor.lr);
      using detail::is_below;
      const bool fits =
          gradient_.set({on_grad_, zero_}, conditioning_, layout) &&
          momentum_.set({on_moment_, rest_}, conditioning_, layout) &&
          is_below(kSecondMoment ? moment / config.eps : moment, limit) &&
          (!kSecondMoment || is_below(gradient, detail::largest_adam_gradient<Scalar>())) &&
          is_below(solver.factor_norm(side), detail::step_limit<Scalar>(0));
      if (!fits) result.report.status = AdjustStatus::overflow;
      if (context.clip_norm != ClipNorm::none) {
        const double grad_norm = context.grad_scale * solver.grad_norm(side);
        result.squared_norm = grad_norm * grad_norm;
      }
      return result;
    }

    void update(const PairStep<Scalar>& step) {
      const StepContext& context = step.context;
      const Side side = moving(context);
      const Factor& factor = step.pair[side];
      if (context.clip != 1) {
        // Smaller than what prepare has found to fit.
        scale(on_grad_, context.clip);
        (void)gradient_.set({on_grad_, zero_}, conditioning_, PanelLayout(factor.value));
      }
      update_factor(
          factor, step.team,
          [&](const PanelAt& at, const Panel<Scalar>& value, Scratch<Scalar> scratch) {
            const Index size = panel_size(at.layout.rank());
            const Panel<Scalar> h{scratch.scalars.vector(size), at.layout.stride()},
                moment{scratch.scalars.vector(size), at.layout.stride()};
            const auto g =
                read_panel(factor.grad, at.layout, at.panel, scratch.scalars.vector(size));
            gradient_.apply(at, g, g, h, scratch.wide);
            const FactorView exp_avg = exp_avg_[side].view();
            momentum_.apply(at, read_only(h),
                            read_panel(exp_avg, at.layout, at.panel, scratch.scalars.vector(size)),
                            moment, scratch.wide);
            write_panel(read_only(moment), exp_avg, at.layout, at.panel);
            if constexpr (kSecondMoment)
              normalize(*context.config, at, h, exp_avg_sq_[side].view(), moment,
                        scratch.scalars.vector(size));
            descend_panel(factor.decay, factor.lr, at, read_only(moment), value);
          });
      if (has_bound(context))
        direction_norm_ = next_direction_norm(*context.config, context.clip * gradient_norm_);
      earlier_.keep(other(side), step.pair[other(side)].value, step.team);
    }

   private:
    static Side moving(const StepContext& context) {
      return context.step % 2 == 1 ? Side::A : Side::B;
    }

    /// Whether the move of the factor that moves is bounded: of the fixed one.
    static bool has_bound(const StepContext& context) {
      return !kSecondMoment && context.config->damping != 0 &&
             moving(context) != context.free_factor;
    }

    double next_direction_norm(const OptimizerConfig& config, double gradient_norm) const {
      return *config.beta1 * direction_norm_ + (1 - *config.beta1) * gradient_norm;
    }

    /// delta of the factor that moves. N is that of the gradient before clipping, which makes it
    /// smaller.
    double damping(const PairStep<Scalar>& step) {
      const StepContext& context = step.context;
      PairSolver& solver = *step.solver;
      const double scaling = step.pair.scaling;
      const AdjustOptions options = step.adjust_options();
      double direction_norm = 0;
      if (has_bound(context)) {
        gradient_norm_ = solver.gradient_norm(scaling, options, context.grad_scale, step.wide()) /
                         std::abs(scaling);
        direction_norm = next_direction_norm(*context.config, gradient_norm_);
      }
      return scale_free_dampings(solver.spectra(), 1, options, direction_norm)[moving(context)];
    }

    /// Takes h into V, and divides the moment by its root.
    static void normalize(const OptimizerConfig& config, const PanelAt& at, const Panel<Scalar>& h,
                          const FactorView& exp_avg_sq, const Panel<Scalar>& moment,
                          Scalar* memory) {
      const auto beta2 = static_cast<Scalar>(config.beta2);
      const auto rest2 = static_cast<Scalar>(1 - config.beta2);
      const auto eps = static_cast<Scalar>(config.eps);
      const auto second = edit_panel(exp_avg_sq, at.layout, at.panel, memory);
      for (Index i = 0; i < at.layout.rows(at.panel); ++i) {
        const Scalar* const g = h.data + i * h.stride;
        Scalar *const v = second.data + i * second.stride, *const m =
                                                               moment.data + i * moment.stride;
        for (Index k = 0; k < at.layout.row_length(at.panel); ++k) {
          v[k] = beta2 * v[k] + rest2 * g[k] * g[k];
          m[k] /= std::sqrt(v[k]) + eps;
        }
      }
      write_panel(read_only(second), exp_avg_sq, at.layout, at.panel);
    }

    PerSide<FactorState<Scalar>> exp_avg_, exp_avg_sq_;
    EarlierFactors<Scalar> earlier_;
    FactorCombination<Scalar> gradient_, momentum_;  // of the factor that moves
    Arena arena_;
    Square on_grad_, on_moment_, rest_;
    Square zero_;  // stays so
    double conditioning_ = 1;
    double direction_norm_ = 0;  // N of the fixed factor's last step
    double gradient_norm_ = 0;   // N_G / |s| of this one
  };

  template <typename Scalar>
  using DenseState = ElementwiseDense<AdamWRule, Scalar>;
};

struct AltLoraRule : AltLora<false> {
  static constexpr const char* kName = "altlora";
};
struct AltLoraPlusRule : AltLora<true> {
  static constexpr const char* kName = "altlora_plus";
};

LORAPRO_NAMESPACE_END

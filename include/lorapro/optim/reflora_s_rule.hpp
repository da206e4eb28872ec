// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/rule_list.hpp>

LORAPRO_NAMESPACE_BEGIN

/// RefLoRA-S: AdamW, and after each step from kWarmup on the pair is balanced by a number,
///
///     c = (||B|| / ||A||)^1/2        A <- c A,  B <- B / c
///
/// which leaves W as it is, with the moments of A divided by c and c^2 and those of B multiplied, as
/// gradients at the new pair would have them. Not where a factor is zero, nor where a second moment
/// would overflow. Without a warm-up it is balanced before the first step, too. W does not depend on
/// the scale of A against B then; but for that it depends on how W is factorised, as AdamW does.
/// State: exp_avg and exp_avg_sq, 2 (m + n) r.
/// \cost 12 (m + n) r flops beside AdamW; no heap.
/// \ref Zhang et al., RefLoRA, arXiv:2505.18877, whose code has the 100 steps.
template <std::int64_t kWarmup>
struct RefLoraSRule : PairRule {
  static constexpr const char* kName = "reflora_s";

  template <typename Scalar>
  class PairState {
   public:
    explicit PairState(const PairShape& shape)
        : exp_avg_(FactorState<Scalar>::of(shape)), exp_avg_sq_(FactorState<Scalar>::of(shape)) {}
    template <typename Visitor>
    void visit(Visitor&& visitor) {
      visit_sides("exp_avg", exp_avg_, visitor);
      visit_sides("exp_avg_sq", exp_avg_sq_, visitor);
    }
    static RuleWorkspace workspace(const PairShape& shape) {
      return detail::elementwise_workspace<AdamWRule>(
          shape.rank, (shape.out_features + shape.in_features) * shape.rank);
    }

    Preparation prepare(const PairStep<Scalar>& step) {
      const double limit = AdamWRule::largest_gradient<Scalar>(step.pair.largest_lr());
      Preparation result = prepare_elements(step, limit);
      before_ = 1;
      if (!starts_balanced(step) || result.report.status != AdjustStatus::ok) return result;
      before_ = balance(step);
      const double gain = (std::max)(before_, 1 / before_);
      for (const Factor& factor : step.pair)
        if (!detail::is_below(
                gain * std::sqrt(squared_norm_of(factor.grad, step.team)) * step.context.grad_scale,
                limit))
          result.report.status = AdjustStatus::overflow;
      return result;
    }

    void update(const PairStep<Scalar>& step) {
      if (before_ != 1) rescale(step, before_);
      for (const Side side : kSides) {
        StepContext context = step.context;
        context.grad_scale *= side == Side::A ? 1 / before_ : before_;
        detail::update_elements<AdamWRule>(
            step.pair[side], {exp_avg_[side].view(), exp_avg_sq_[side].view()}, context, step.team);
      }
      if (step.context.step < kWarmup) return;
      const double c = balance(step);
      const bool fits = second_moment_fits(Side::A, 1 / c, step.team) &&
                        second_moment_fits(Side::B, c, step.team);
      if (c != 1 && fits) rescale(step, c);
    }

   private:
    static bool starts_balanced(const PairStep<Scalar>& step) {
      return kWarmup == 0 && step.context.step == 1;
    }

    /// c; 1 where a factor is zero, or all but zero against the other.
    static double balance(const PairStep<Scalar>& step) {
      const double a = squared_norm_of(step.pair.A.target(), step.team);
      const double b = squared_norm_of(step.pair.B.target(), step.team);
      const double c = std::sqrt(std::sqrt(b) / std::sqrt(a));
      const double square = (std::max)(c * c, 1 / (c * c));
      return a > 0 && b > 0 && detail::is_below(square, detail::step_limit<Scalar>(0)) ? c : 1;
    }

    /// exp_avg^2 is at most exp_avg_sq over 1 - beta2 or so: where this fits, that does.
    bool second_moment_fits(Side side, double factor, const Team<Scalar>& team) {
      const double largest = detail::largest_of(exp_avg_sq_[side].view(), team).value();
      return detail::is_below(largest * factor * factor, detail::step_limit<Scalar>(0));
    }

    /// The pair times c and 1 / c, with its moments.
    void rescale(const PairStep<Scalar>& step, double c) {
      for (const Side side : kSides) {
        const double of_value = side == Side::A ? c : 1 / c, of_grad = 1 / of_value;
        scale_factor(of_value, step.pair[side], step.team);
        scale_moments(of_grad, exp_avg_[side], step.team);
        scale_moments(of_grad * of_grad, exp_avg_sq_[side], step.team);
      }
    }

    static void scale_moments(double by, FactorState<Scalar>& state, const Team<Scalar>& team) {
      Factor moments;
      moments.value = state.view();
      scale_factor(by, moments, team);
    }

    static void scale_factor(double by, const Factor& factor, const Team<Scalar>& team) {
      update_factor(factor, team,
                    [&](const PanelAt& at, const Panel<Scalar>& value, const Scratch<Scalar>&) {
                      axpby_panel(0, at, read_only(value), by, value);
                    });
    }

    PerSide<FactorState<Scalar>> exp_avg_, exp_avg_sq_;
    double before_ = 1;  // c of the balance before the first step
  };

  template <typename Scalar>
  using DenseState = ElementwiseDense<AdamWRule, Scalar>;
};

LORAPRO_NAMESPACE_END

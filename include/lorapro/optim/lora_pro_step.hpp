// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/factor_update.hpp>
#include <lorapro/optim/lora_pro_rule.hpp>
#include <lorapro/optim/overflow_bounds.hpp>

LORAPRO_NAMESPACE_BEGIN

/// d = on_grad g + on_factor F of both sides, panel by panel.
template <typename Scalar>
class PairCombination {
 public:
  explicit PairCombination(Index rank)
      : sides_{FactorCombination<Scalar>(rank), FactorCombination<Scalar>(rank)} {}

  /// Takes coefficients, those of side A in coefficients[Side::A].
  /// \return false if one of them overflows Scalar.
  template <typename Coefficients>
  [[nodiscard]] bool set(const Pair& pair, const Coefficients& coefficients, double conditioning) {
    bool fits = true;
    for (const Side side : kSides)
      fits =
          sides_[side].set(coefficients[side], conditioning, PanelLayout(pair[side].value)) && fits;
    return fits;
  }
  [[nodiscard]] bool set(const Pair& pair, const AdjustCoefficients& coefficients) {
    return set(pair, coefficients, coefficients.conditioning());
  }
  /// The same; where Scalar is too narrow for the coefficients, the products run in the wide scalar.
  template <typename Coefficients>
  void set_widely(const Pair& pair, const Coefficients& coefficients, double conditioning) {
    constexpr double kWide = (std::numeric_limits<double>::max)();
    for (const Side side : kSides) {
      const PanelLayout layout(pair[side].value);
      if (!sides_[side].set(coefficients[side], conditioning, layout))
        (void)sides_[side].set(coefficients[side], kWide, layout);
    }
  }

  const FactorCombination<Scalar>& operator[](Side side) const { return sides_[side]; }

 private:
  PerSide<FactorCombination<Scalar>> sides_;
};

/// Solves the measured pair and tells whether dA and dB fit the scalar.
/// \param step_limit      norms of dA and dB have to stay below it.
/// \param[out] adjusted   the coefficients of dA and dB.
/// \param direction_norm  for PairSolver::finish.
template <typename Scalar, typename DirectionNorm>
Preparation prepare_adjusted(const PairStep<Scalar>& step, double step_limit,
                             PairCombination<Scalar>& adjusted,
                             const DirectionNorm& direction_norm) {
  PairSolver& solver = *step.solver;
  const StepContext& context = step.context;
  Preparation result;
  result.report = solver.finish(step.pair, step.adjust_options(), context.grad_scale, step.wide(),
                                direction_norm);
  if (!result.report.usable()) return result;
  const double value_limit = detail::step_limit<Scalar>(0);
  bool fits = solver.is_bounded_by(step_limit) && adjusted.set(step.pair, solver.coefficients());
  for (const Side side : kSides)
    fits = fits && detail::is_below(solver.factor_norm(side), value_limit);
  if (!fits) {
    result.report.status = AdjustStatus::overflow;
    return result;
  }
  if (context.clip_norm == ClipNorm::equivalent_gradient)
    result.squared_norm = solver.equivalent_squared_norm(step.pair.scaling, step.wide());
  if (context.clip_norm == ClipNorm::adapter) result.squared_norm = solver.adapter_squared_norm();
  return result;
}
template <typename Scalar>
Preparation prepare_adjusted(const PairStep<Scalar>& step, double step_limit,
                             PairCombination<Scalar>& adjusted) {
  return prepare_adjusted(step, step_limit, adjusted,
                          [&] { return detail::usual_direction_norm(step.pair.shape()); });
}

/// One factor's update by its adjusted gradient: f(at, d, value, scratch) applies the adjusted
/// gradient d to a panel of the value.
/// Scratch: 4 panels, FactorCombination::scratch_size(rank) wide.
template <typename Scalar, typename F>
void update_adjusted(const Factor& factor, const FactorCombination<Scalar>& adjusted,
                     const Team<Scalar>& team, const F& f) {
  update_factor(
      factor, team, [&](const PanelAt& at, const Panel<Scalar>& value, Scratch<Scalar> scratch) {
        const Index size = panel_size(at.layout.rank());
        const auto model =
            read_panel(factor.value, at.layout, at.panel, scratch.scalars.vector(size));
        const auto g = read_panel(factor.grad, at.layout, at.panel, scratch.scalars.vector(size));
        const Panel<Scalar> d{scratch.scalars.vector(size), at.layout.stride()};
        adjusted.apply(at, model, g, d, scratch.wide);
        f(at, read_only(d), value, scratch);
      });
}

LORAPRO_NAMESPACE_END

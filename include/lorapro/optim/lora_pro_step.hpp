// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/pair_solver.hpp>
#include <lorapro/optim/lora_pro_rule.hpp>
#include <lorapro/optim/rule.hpp>

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// The r x r algebra of a pair and the combinations that it gives.
template <typename Scalar>
struct AdjustedPair {
  explicit AdjustedPair(Index rank) : solver(rank), combination_A(rank), combination_B(rank) {}

  /// Takes the solver's coefficients. \return false if one of them overflows Scalar.
  [[nodiscard]] bool combine(const Pair& pair) {
    const AdjustCoefficients& c = solver.coefficients();
    const bool fits_A = combination_A.set_A(c, pair.model.lora_A);
    const bool fits_B = combination_B.set_B(c, pair.model.lora_B);
    return fits_A && fits_B;
  }

  PairSolver solver;
  FactorCombination<Scalar> combination_A, combination_B;
};

/// Which Gram matrices of gradients a rule needs; clipping by the equivalent gradient needs both.
struct GradGrams {
  bool A = false;
  bool B = false;
};

/// Measures the pair, up to its spectra: for PairState::measure.
template <typename Scalar>
PairSolver& measure_adjusted(const Pair& pair, const StepContext& context,
                             AdjustedPair<Scalar>& adjusted, const Team<Scalar>& team,
                             const GradGrams& grams = {}) {
  PairSolver& solver = adjusted.solver;
  const bool clips = context.clip_norm == ClipNorm::equivalent_gradient;
  team.parallel(2, [&](Index side, const Scratch<Scalar>& scratch) {
    if (side == 0) {
      solver.measure_A(pair.model, grams.A || clips, scratch.wide);
    } else {
      solver.measure_B(pair.model, grams.B || clips, scratch.wide);
    }
  });
  return solver;
}

/// Decomposes what is still pending. Matrices that share no packet may have a thread each.
template <typename Scalar>
void decompose_pending(SpectralPair& spectra, const Team<Scalar>& team) {
  EigenProblem* const problems[] = {&spectra.problem_A(), &spectra.problem_B()};
  if (problems[0]->state != EigenProblem::State::pending) return;
  if (spectra.rank() <= kBatchedEigenSize) return spectra.decompose(team.own().wide);
  team.parallel(2, [&](Index side, const Scratch<Scalar>& scratch) {
    batched_eigen(problems + side, 1, spectra.rank(), scratch.wide);
  });
}

/// The largest rank of a step of W.
inline double largest_rank(const Pair& pair) {
  return static_cast<double>((std::min)({2 * pair.rank, pair.out_features, pair.in_features}));
}

/// The singular values of a direction of W that has as many of them as it can, all equal, and
/// elements of the root mean square 0.2, as an AdamW step has: those of spectral moments.
inline double usual_singular_value(const Pair& pair) {
  const double m = static_cast<double>(pair.out_features);
  return 0.2 * std::sqrt(m * static_cast<double>(pair.in_features) / largest_rank(pair));
}

/// Upper bound of ||P_B H||_F and ||H P_A||_F of such a direction, and about that of others.
inline double usual_direction_norm(const Pair& pair) {
  const Index seen = (std::min)({pair.rank, pair.out_features, pair.in_features});
  return usual_singular_value(pair) * std::sqrt(static_cast<double>(seen));
}

/// Of directions that are measured: what is smaller counts as this part of the usual norm, so that
/// the inverses of a second projection are known to fit before there is a direction.
inline double least_direction_norm(const Pair& pair) {
  return 0x1.0p-10 * usual_direction_norm(pair);
}

/// Solves the pair and tells whether dA and dB fit the scalar. Does what has not been done before:
/// in a rule without measure everything, the same bits.
/// \param step_limit      norms of dA and dB have to stay below it.
/// \param grams           as in measure_adjusted.
/// \param direction_norm  for PairSolver::conclude.
template <typename Scalar, typename DirectionNorm>
Preparation prepare_adjusted(const Pair& pair, const StepContext& context, double step_limit,
                             AdjustedPair<Scalar>& adjusted, const Team<Scalar>& team,
                             const GradGrams& grams, const DirectionNorm& direction_norm) {
  PairSolver& solver = adjusted.solver;
  if (solver.spectra().problem_A().state == EigenProblem::State::none)
    measure_adjusted(pair, context, adjusted, team, grams);
  decompose_pending(solver.spectra(), team);
  Wide* const scratch = team.own().wide;
  Preparation result;
  result.report = solver.conclude(pair.model, context.adjust_options(), context.grad_scale, scratch,
                                  direction_norm);
  if (!result.report.usable()) return result;
  const double value_limit = detail::step_limit<Scalar>(0);
  if (!is_below(solver.bound_A(), step_limit) || !is_below(solver.bound_B(), step_limit) ||
      !is_below(solver.factor_norm(solver.spectra().gram_A()), value_limit) ||
      !is_below(solver.factor_norm(solver.spectra().gram_B()), value_limit) ||
      !adjusted.combine(pair)) {
    result.report.status = AdjustStatus::overflow;
    return result;
  }
  if (context.clip_norm == ClipNorm::equivalent_gradient)
    result.squared_norm = solver.equivalent_squared_norm(pair.model.scaling, scratch);
  if (context.clip_norm == ClipNorm::adapter) result.squared_norm = solver.adapter_squared_norm();
  return result;
}
template <typename Scalar>
Preparation prepare_adjusted(const Pair& pair, const StepContext& context, double step_limit,
                             AdjustedPair<Scalar>& adjusted, const Team<Scalar>& team,
                             const GradGrams& grams = {}) {
  return prepare_adjusted(pair, context, step_limit, adjusted, team, grams,
                          [&] { return usual_direction_norm(pair); });
}

/// Bounds of a second step of rules that normalise E to a direction H and project it again, from
/// what prepare knows.
class SecondStepBound {
 public:
  SecondStepBound(const Pair& pair, const StepContext& context, const PairSolver& solver)
      : s_(std::abs(pair.model.scaling)),
        norm_A_(solver.factor_norm(solver.spectra().gram_A())),
        norm_B_(solver.factor_norm(solver.spectra().gram_B())) {
    const Dampings lambda =
        solver.dampings(s_, context.adjust_options(), least_direction_norm(pair));
    inverse_P_ = largest_inverse(solver.spectra().gram_B(), pair.rank, s_ * s_, lambda.A);
    inverse_Q_ = largest_inverse(solver.spectra().gram_A(), pair.rank, s_ * s_, lambda.B);
  }

  double norm_A() const { return norm_A_; }
  double norm_B() const { return norm_B_; }
  /// Largest of (s^2 l + lambda_A)^-1 and (s^2 u + lambda_B)^-1.
  double inverse() const { return (std::max)(inverse_P_, inverse_Q_); }

  /// Upper bound of ||E||_F, so of every element.
  double equivalent(const PairSolver& solver) const {
    return s_ * (norm_B_ * solver.bound_A() + norm_A_ * solver.bound_B());
  }

  /// Upper bound of the norms of the adjusted (s B^T H, s H A^T) and of its parts.
  /// \param direction  of ||H||_F.
  double step(double direction) const {
    const double t = inverse_P_, u = inverse_Q_;
    // ||on_A|| <= s^2 ||hA A^T|| t u, and so on; three times it covers every gauge.
    const double on_factor = 3 * s_ * s_ * s_ * norm_A_ * norm_B_ * direction * t * u;
    return (std::max)(t * s_ * norm_B_ * direction + on_factor * (std::max)(1.0, norm_A_),
                      u * s_ * norm_A_ * direction + on_factor * (std::max)(1.0, norm_B_));
  }

 private:
  static double largest_inverse(const Spectrum& spectrum, Index rank, double s2, double lambda) {
    double smallest = 0;
    if (!(spectrum.largest > 0)) return 0;
    for (Index i = 0; i < rank; ++i) {
      const double denominator = s2 * spectrum.values[i] + lambda;
      if (denominator > s2 * spectrum.cutoff && (smallest == 0 || denominator < smallest))
        smallest = denominator;
    }
    return smallest == 0 ? 0 : 1 / smallest;
  }

  double s_, norm_A_, norm_B_;
  double inverse_P_ = 0, inverse_Q_ = 0;
};

/// Upper bound of Adam's direction, (1 - beta1) / sqrt(1 - beta2) / (1 - beta1 / sqrt(beta2)) while
/// beta1 < sqrt(beta2) (Cauchy and Schwarz on the two averages, bias corrections included).
inline double adam_direction_bound(const OptimizerConfig& config) {
  const double beta1 = *config.beta1;
  const double ratio = beta1 == 0 ? 0 : beta1 / std::sqrt((std::max)(config.beta2, 1e-300));
  return ratio < 1 ? 1 / std::sqrt(1 - config.beta2) / (1 - ratio) : 1e12;
}

/// One factor's update by its adjusted gradient: f(panel, layout, d, value, scratch) applies the
/// adjusted gradient d to the parameter's panel.
/// Scratch: 4 panel_size(rank) scalars, FactorCombination::scratch_size(rank) wide.
template <typename Scalar, typename F>
void update_adjusted(const FactorView& factor, const FactorView& master, const FactorView& grad,
                     const FactorCombination<Scalar>& combination, const Team<Scalar>& team,
                     const F& f) {
  const PanelLayout layout(factor);
  const Index size = panel_size(factor.rank);
  update_parameter(factor, master, team,
                   [&](Index panel, const Panel<Scalar>& value, const Scratch<Scalar>& scratch) {
                     const auto model = read_panel(factor, layout, panel, scratch.scalars + size);
                     const auto g = read_panel(grad, layout, panel, scratch.scalars + 2 * size);
                     const Panel<Scalar> d{scratch.scalars + 3 * size, layout.stride()};
                     combination.apply(layout, panel, model, g, d, scratch.wide);
                     f(panel, layout, Panel<const Scalar>{d.data, d.stride}, value, scratch);
                   });
}

}  // namespace detail

LORAPRO_NAMESPACE_END

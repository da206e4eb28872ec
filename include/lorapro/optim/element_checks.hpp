// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/rule.hpp>

#include <initializer_list>  // std::initializer_list

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// Largest magnitude of a matrix.
template <typename Scalar>
Magnitude<Scalar> largest_of(const FactorView& factor, const Team<Scalar>& team) {
  Magnitude<Scalar> pieces[Team<Scalar>::kMaxPieces] = {};
  team.parallel_ranges(panel_count(factor.length),
                       [&](Index piece, Index first, Index last, Scratch<Scalar> scratch) {
                         pieces[piece] = largest_magnitude(
                             factor, first, last, scratch.scalars.vector(panel_size(factor.rank)));
                       });
  Magnitude<Scalar> largest;
  for (const auto& piece : pieces) largest.include(piece);
  return largest;
}

}  // namespace detail

/// Sum of squares of a matrix.
template <typename Scalar>
double squared_norm_of(const FactorView& factor, const Team<Scalar>& team) {
  double pieces[Team<Scalar>::kMaxPieces] = {};
  team.parallel_ranges(panel_count(factor.length), [&](Index piece, Index first, Index last,
                                                       Scratch<Scalar> scratch) {
    pieces[piece] = squared_norm(factor, first, last, scratch.wide.vector(panel_size(factor.rank)));
  });
  double sum = 0;
  for (const double piece : pieces) sum += piece;
  return sum;
}

/// Finiteness, size and norm of gradients and values, for rules that look at elements alone.
/// \param limit  largest magnitude that a gradient, scaled, may have; values have to stay below
///               half of the largest number.
/// Scratch: a panel of scalars and one of wide ones.
template <typename Scalar>
Preparation prepare_elements(std::initializer_list<const Factor*> factors, double limit,
                             const StepContext& context, const Team<Scalar>& team) {
  Preparation result;
  const auto non_finite = [&] {
    result.report.status = AdjustStatus::non_finite;
    return result;
  };
  detail::Magnitude<Scalar> largest_value;
  for (const Factor* factor : factors) {
    largest_value.include(detail::largest_of(factor->value, team));
    if (!largest_value.is_finite()) return non_finite();
  }
  for (const Factor* factor : factors) {
    const detail::Magnitude<Scalar> largest = detail::largest_of(factor->grad, team);
    if (!largest.is_finite()) return non_finite();
    if (!detail::is_below(largest.value() * context.grad_scale, limit))
      result.report.status = AdjustStatus::overflow;
  }
  if (!detail::is_below(largest_value.value(), detail::step_limit<Scalar>(0)))
    result.report.status = AdjustStatus::overflow;
  if (context.clip_norm == ClipNorm::none || result.report.status != AdjustStatus::ok)
    return result;
  for (const Factor* factor : factors) result.squared_norm += squared_norm_of(factor->grad, team);
  result.squared_norm *= context.grad_scale * context.grad_scale;
  return result;
}
template <typename Scalar>
Preparation prepare_elements(const PairStep<Scalar>& step, double limit) {
  return prepare_elements({&step.pair.A, &step.pair.B}, limit, step.context, step.team);
}
template <typename Scalar>
Preparation prepare_elements(const DenseStep<Scalar>& step, double limit) {
  return prepare_elements({&step.dense.factor}, limit, step.context, step.team);
}

LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/rule.hpp>

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// Largest magnitude of a matrix.
template <typename Scalar>
Magnitude<Scalar> largest_of(const FactorView& factor, const Team<Scalar>& team) {
  Magnitude<Scalar> pieces[Team<Scalar>::kMaxPieces] = {};
  team.parallel_ranges(panel_count(factor.length),
                       [&](Index piece, Index first, Index last, const Scratch<Scalar>& scratch) {
                         pieces[piece] = largest_magnitude(factor, first, last, scratch.scalars);
                       });
  Magnitude<Scalar> largest;
  for (const auto& piece : pieces) largest.include(piece);
  return largest;
}

/// Sum of squares of a matrix.
template <typename Scalar>
double squared_norm_of(const FactorView& factor, const Team<Scalar>& team) {
  double pieces[Team<Scalar>::kMaxPieces] = {};
  team.parallel_ranges(panel_count(factor.length),
                       [&](Index piece, Index first, Index last, const Scratch<Scalar>& scratch) {
                         pieces[piece] = squared_norm(factor, first, last, scratch.wide);
                       });
  double sum = 0;
  for (const double piece : pieces) sum += piece;
  return sum;
}

/// Finiteness, size and norm of gradients, for rules that look at elements alone.
/// \param limit    largest magnitude that a gradient, scaled, may have.
/// Scratch: panel_size(rank) elements of each kind.
template <typename Scalar>
Preparation prepare_elements(std::initializer_list<FactorView> gradients, double limit,
                             const StepContext& context, const Team<Scalar>& team) {
  Preparation result;
  for (const FactorView& gradient : gradients) {
    const Magnitude<Scalar> largest = largest_of(gradient, team);
    if (!largest.is_finite()) {
      result.report.status = AdjustStatus::non_finite;
      return result;
    }
    if (!is_below(largest.value() * context.grad_scale, limit))
      result.report.status = AdjustStatus::overflow;
  }
  if (context.clip_norm == ClipNorm::none || result.report.status != AdjustStatus::ok)
    return result;
  for (const FactorView& gradient : gradients)
    result.squared_norm += squared_norm_of(gradient, team);
  result.squared_norm *= context.grad_scale * context.grad_scale;
  return result;
}

/// The same, after the parameters, which have to stay below step_limit(0).
template <typename Scalar>
Preparation prepare_elements(std::initializer_list<FactorView> parameters,
                             std::initializer_list<FactorView> gradients, double limit,
                             const StepContext& context, const Team<Scalar>& team) {
  Magnitude<Scalar> largest;
  for (const FactorView& parameter : parameters) {
    largest.include(largest_of(parameter, team));
    if (!largest.is_finite()) {
      Preparation result;
      result.report.status = AdjustStatus::non_finite;
      return result;
    }
  }
  Preparation result = prepare_elements(gradients, limit, context, team);
  if (result.report.status == AdjustStatus::ok && !is_below(largest.value(), step_limit<Scalar>(0)))
    result.report.status = AdjustStatus::overflow;
  return result;
}

/// An element-wise update of a factor or dense parameter by SGD.
/// Scratch: 2 panel_size(rank) scalars.
template <typename Scalar>
void sgd_update(const FactorView& model, const FactorView& master, const FactorView& grad,
                const StepContext& context, const Team<Scalar>& team) {
  const PanelLayout layout(model);
  const double rate = context.lr * context.grad_scale * context.clip;
  update_parameter(model, master, team,
                   [&](Index panel, const Panel<Scalar>& value, const Scratch<Scalar>& scratch) {
                     const auto g =
                         read_panel(grad, layout, panel, scratch.scalars + panel_size(model.rank));
                     descend_panel(context.decay, rate, layout, panel, g, value);
                   });
}

/// The same by AdamW. Scratch: 4 panel_size(rank) scalars.
template <typename Scalar>
void adamw_update(const FactorView& model, const FactorView& master, const FactorView& grad,
                  const FactorView& exp_avg, const FactorView& exp_avg_sq,
                  const StepContext& context, const Team<Scalar>& team) {
  const PanelLayout layout(model);
  const Index size = panel_size(model.rank);
  const auto constants = adam_constants<Scalar>(context, context.grad_scale * context.clip);
  update_parameter(model, master, team,
                   [&](Index panel, const Panel<Scalar>& value, const Scratch<Scalar>& scratch) {
                     const auto g = read_panel(grad, layout, panel, scratch.scalars + size);
                     adamw_panel(constants, layout, panel, g, exp_avg, exp_avg_sq, value,
                                 scratch.scalars + 2 * size);
                   });
}

/// Largest gradient whose square still fits the second moment.
template <typename Scalar>
double largest_adam_gradient() {
  return std::sqrt(static_cast<double>((std::numeric_limits<Scalar>::max)()));
}

}  // namespace detail

/// Stochastic gradient descent on a parameter without factors: w <- decay w - lr g. No state.
template <typename Scalar>
struct DenseSgdState {
  explicit DenseSgdState(Index /*size*/) {}
  template <typename Visitor>
  void visit(Visitor&&) {}
  static Index scratch_size() { return 2 * panel_size(Dense::kRow); }
  static Index wide_scratch_size() { return panel_size(Dense::kRow); }

  Preparation prepare(const Dense& dense, const StepContext& context, const Team<Scalar>& team) {
    return detail::prepare_elements({dense.value}, {dense.grad},
                                    detail::step_limit<Scalar>(context.lr), context, team);
  }

  void update(const Dense& dense, const StepContext& context, const Team<Scalar>& team) {
    detail::sgd_update(dense.value, dense.master, dense.grad, context, team);
  }
};

/// AdamW on a parameter without factors: heads, norms, biases, and matrices under full fine-tuning.
/// State: exp_avg and exp_avg_sq of the parameter's size.
/// \ref Loshchilov & Hutter, arXiv:1711.05101v3, algorithm 2.
template <typename Scalar>
struct DenseAdamWState {
  explicit DenseAdamWState(Index size) : exp_avg(size), exp_avg_sq(size) {}
  template <typename Visitor>
  void visit(Visitor&& visitor) {
    visitor("exp_avg", StateTensor<Scalar>(exp_avg.data(), 1, exp_avg.size()));
    visitor("exp_avg_sq", StateTensor<Scalar>(exp_avg_sq.data(), 1, exp_avg_sq.size()));
  }
  static Index scratch_size() { return 4 * panel_size(Dense::kRow); }
  static Index wide_scratch_size() { return panel_size(Dense::kRow); }

  Preparation prepare(const Dense& dense, const StepContext& context, const Team<Scalar>& team) {
    return detail::prepare_elements({dense.value}, {dense.grad},
                                    detail::largest_adam_gradient<Scalar>(), context, team);
  }

  void update(const Dense& dense, const StepContext& context, const Team<Scalar>& team) {
    const Index row = dense.value.rank, rows = dense.value.length;
    detail::adamw_update(dense.value, dense.master, dense.grad,
                         detail::state_of_B(exp_avg, row, rows),
                         detail::state_of_B(exp_avg_sq, row, rows), context, team);
  }

  Buffer<Scalar> exp_avg, exp_avg_sq;
};

LORAPRO_NAMESPACE_END

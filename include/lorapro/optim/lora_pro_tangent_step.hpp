// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/tangent_momentum.hpp>
#include <lorapro/optim/lora_pro_step.hpp>

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// What the rules with a tangent momentum share: its state, and the stages of a step that do not
/// depend on how the momentum becomes a direction,
///
///     gradient -> what the factors see of E -> momentum -> [direction H] -> step -> transport
///
/// where a rule does what is in brackets. A stage writes what the next ones read, and nothing else.
template <typename Scalar>
class TangentStep {
 public:
  explicit TangentStep(const PairShape& shape)
      : shape_(shape),
        exp_avg_(FactorState<Scalar>::of(shape)),
        adjusted_(shape.rank),
        gradient_(shape.rank),
        transported_(shape.rank),
        image_(shape.rank),
        momentum_(shape.rank),
        arena_(4 * square_size(shape.rank)) {
    for (FrameProducts& side : products_) {
      side.array = arena_.square(shape.rank);
      side.factor = arena_.square(shape.rank);
    }
    arena_.close();
  }

  template <typename Visitor>
  void visit(Visitor&& visitor) {
    visit_sides("exp_avg", exp_avg_, visitor);
  }

  /// Scratch of the stages here; the shared part holds the factors before the step.
  static RuleWorkspace workspace(const PairShape& shape) {
    return {4 * panel_size(shape.rank),
            (std::max)(PairSolver::scratch_size(shape.rank), frame_products_scratch(shape.rank)),
            (shape.out_features + shape.in_features) * shape.rank,
            (shape.out_features + shape.in_features) * shape.rank * shape.rank / 4};
  }

  /// Solves for (dA, dB), whose norms only have to be finite numbers of Scalar.
  Preparation prepare(const PairStep<Scalar>& step) {
    return prepare_adjusted(step, static_cast<double>((std::numeric_limits<Scalar>::max)()),
                            adjusted_);
  }

  /// gradient()[side] makes of a gradient what the factor sees of E, clipped: B^T E or (E A^T)^T.
  void see_gradient(const PairStep<Scalar>& step) {
    PairSolver& solver = *step.solver;
    solver.coefficients().scale(step.context.clip);
    PerSide<FrameProducts> with_factors;
    for (const Side side : kSides) with_factors[side] = {solver.cross(side), solver.gram(side)};
    image_.compute(solver.coefficients(), with_factors, step.pair.scaling, step.wide());
    gradient_.set_widely(step.pair, image_, solver.coefficients().conditioning());
  }
  const PairCombination<Scalar>& gradient() const { return gradient_; }

  /// M on the tangent space of the factors, from what they see of it: momentum().cross(side) is to
  /// hold the products of exp_avg and factor.
  void project_momentum(const PairStep<Scalar>& step) {
    momentum_.project_to_tangent(step.solver->spectra(), step.wide());
  }
  TangentMomentum& momentum() { return momentum_; }
  FactorView exp_avg(Side side) { return exp_avg_[side].view(); }

  /// Projects the direction H, whose products with the factors are in the solver, and steps along
  /// it.
  /// \param shared          workspace().shared elements, for transport.
  /// \param direction_norm  as in PairSolver::finish.
  /// \param direction  direction(side, at, factor, out, scratch) writes the panel of B^T H or
  ///                   (H A^T)^T.
  template <typename Direction>
  void descend(const PairStep<Scalar>& step, WorkspaceOf<Scalar> shared, double direction_norm,
               const Direction& direction) {
    PairSolver& solver = *step.solver;
    // prepare has bounded the second step.
    (void)solver.project(step.pair.scaling, step.adjust_options(), direction_norm, 1.0,
                         step.wide());
    (void)adjusted_.set(step.pair, solver.coefficients());
    const PerSide<FactorView> before = factors_before(shared);
    for (const Side side : kSides)
      descend_along(step.pair[side], adjusted_[side], step.team,
                    [&](const PanelAt& at, const Panel<const Scalar>& f, Scalar* memory,
                        const Scratch<Scalar>& scratch) {
                      write_panel(f, before[side], at.layout, at.panel);
                      const Panel<Scalar> h{memory, at.layout.stride()};
                      direction(side, at, f, h, scratch);
                      return read_only(h);
                    });
  }

  /// Moves the momentum from the factors before the step to those after it.
  /// \param shared  as descend had it.
  void transport(const PairStep<Scalar>& step, WorkspaceOf<Scalar> shared) {
    const PerSide<FactorView> before = factors_before(shared);
    step.team.both_sides([&](Side side, const Scratch<Scalar>& scratch) {
      frame_products(exp_avg(side), before[side], step.pair[side].value, products_[side],
                     scratch.wide);
    });
    image_.compute(momentum_.coefficients(), products_, 1.0, step.wide());
    // The coefficients hold as many inverses as frames of the same side that cancel them: rounding
    // them costs no more than rounding what they act on.
    transported_.set_widely(step.pair, image_, 1.0);
    for (const Side side : kSides) {
      const PanelLayout layout(step.pair[side].value);
      const FactorView moment = exp_avg(side);
      step.team.parallel_ranges(
          layout.count(), [&](Index, Index first, Index last, const Scratch<Scalar>& scratch) {
            for (Index panel = first; panel < last; ++panel) {
              Scratch<Scalar> own = scratch;
              const Index size = panel_size(shape_.rank);
              const auto f = read_panel(before[side], layout, panel, own.scalars.vector(size));
              const auto m = read_panel(moment, layout, panel, own.scalars.vector(size));
              const Panel<Scalar> moved{own.scalars.vector(size), layout.stride()};
              transported_[side].apply({layout, panel}, f, m, moved, own.wide);
              write_panel(read_only(moved), moment, layout, panel);
            }
          });
    }
  }

 private:
  PerSide<FactorView> factors_before(WorkspaceOf<Scalar> shared) const {
    PerSide<FactorView> views;
    for (const Side side : kSides)
      views[side] = factor_view(side, shape_, shared.vector(shape_.rank * shape_.length(side)));
    return views;
  }

  PairShape shape_;
  PerSide<FactorState<Scalar>> exp_avg_;
  PairCombination<Scalar> adjusted_;     // dA and dB of a gradient or a direction
  PairCombination<Scalar> gradient_;     // what the factors see of E
  PairCombination<Scalar> transported_;  // what the new factors see of M
  TangentImage image_;
  TangentMomentum momentum_;
  Arena arena_;
  PerSide<FrameProducts> products_;  // of M and the old factors with the new ones
};

/// exp_avg = beta exp_avg + (1 - beta) values on one panel, in place. \return the panel of exp_avg.
/// \param scratch  a panel, which the result may lie in.
template <typename Scalar>
Panel<const Scalar> average_panel(double beta, const PanelAt& at, const Panel<const Scalar>& values,
                                  const FactorView& exp_avg, Scalar* scratch) {
  const auto out = edit_panel(exp_avg, at.layout, at.panel, scratch);
  axpby_panel(1 - beta, at, values, beta, out);
  write_panel(read_only(out), exp_avg, at.layout, at.panel);
  return read_only(out);
}

}  // namespace detail

LORAPRO_NAMESPACE_END

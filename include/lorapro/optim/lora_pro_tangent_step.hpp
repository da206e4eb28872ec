// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/tangent_momentum.hpp>
#include <lorapro/optim/lora_pro_step.hpp>

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// moment = beta moment + (1 - beta) values on one panel, in place. \return the panel of moments.
/// \param scratch  panel_size(rank) elements, which the result may use.
template <typename Scalar>
Panel<const Scalar> average_panel(double beta, const PanelLayout& layout, Index panel,
                                  const Panel<Scalar>& values, const FactorView& moment,
                                  Scalar* scratch) {
  const auto out = edit_panel(moment, layout, panel, scratch);
  descend_panel(beta, beta - 1, layout, panel, Panel<const Scalar>{values.data, values.stride},
                out);
  write_panel<Scalar>({out.data, out.stride}, moment, layout, panel);
  return {out.data, out.stride};
}

/// Multiplies position j of a panel by factors[j].
template <typename T>
void scale_positions(const PanelLayout& layout, Index panel, const Wide* factors,
                     const Panel<T>& values) {
  for (Index i = 0; i < layout.rows(panel); ++i) {
    T* const row = values.data + i * values.stride;
    if (layout.position_major()) {
      for (Index k = 0; k < layout.rank(); ++k) row[k] *= static_cast<T>(factors[i]);
    } else {
      for (Index j = 0; j < layout.width(panel); ++j) row[j] *= static_cast<T>(factors[j]);
    }
  }
}

/// One factor in a step with a tangent momentum.
template <typename Scalar>
struct TangentSide {
  FactorView model, master, grad;
  FactorView moment;  ///< exp_avg_A or exp_avg_B^T
  FactorView before;  ///< the factor as it was before the step
  const FactorCombination<Scalar>* image = nullptr;
  const FactorCombination<Scalar>* step = nullptr;
  Wide* moment_cross = nullptr;     ///< the momentum with the factor
  Wide* moment_products = nullptr;  ///< with a frame
  Wide* factor_products = nullptr;  ///< the factor with that frame
  Index other_length = 0;           ///< of the other factor
  Index which = 0;                  ///< 0 for A, 1 for B
};

/// What the rules with a tangent momentum share: its state, the accumulation of E, the step along
/// a direction H that is known by (B^T H, H A^T), and the transport.
template <typename Scalar>
class TangentStep {
 public:
  using Side = TangentSide<Scalar>;

  TangentStep(Index out_features, Index in_features, Index rank)
      : adjusted(rank),
        image(rank),
        momentum(rank),
        exp_avg_A(rank * in_features),
        exp_avg_B(out_features * rank),
        image_A_(rank),
        image_B_(rank),
        products_(4 * rank * rank) {}

  template <typename Visitor>
  void visit(Visitor&& visitor) {
    const Index rank = adjusted.solver.rank();
    visitor("exp_avg_A", StateTensor<Scalar>(exp_avg_A.data(), rank, exp_avg_A.size() / rank));
    visitor("exp_avg_B", StateTensor<Scalar>(exp_avg_B.data(), exp_avg_B.size() / rank, rank));
  }

  static Index scratch_size(Index rank) { return 4 * panel_size(rank); }
  static Index wide_scratch_size(Index rank) {
    return (std::max)(PairSolver::scratch_size(rank), frame_products_scratch(rank));
  }
  /// Of the factors before the step, which the transport needs after it.
  static Index shared_scratch_size(Index out_features, Index in_features, Index rank) {
    return (out_features + in_features) * rank;
  }

  /// \param shared  shared_scratch_size elements.
  Side side(const Pair& pair, Index which, Scalar* shared) {
    const Index r = pair.rank, m = pair.out_features, n = pair.in_features, size = r * r;
    if (which == 0)
      return {pair.model.lora_A,
              pair.master_A,
              pair.model.grad_A,
              state_of_A(exp_avg_A, r, n),
              {shared, storage_type<Scalar>(), r, n, n, 1},
              &image_A_,
              &adjusted.combination_A,
              momentum.cross_A(),
              products_.data(),
              products_.data() + size,
              m,
              0};
    return {pair.model.lora_B,
            pair.master_B,
            pair.model.grad_B,
            state_of_B(exp_avg_B, r, m),
            {shared + r * n, storage_type<Scalar>(), r, m, 1, r},
            &image_B_,
            &adjusted.combination_B,
            momentum.cross_B(),
            products_.data() + 2 * size,
            products_.data() + 3 * size,
            n,
            1};
  }

  /// \name The products of a side's momentum and factor with the side's frame
  /// @{
  FrameProducts products_A() const { return {products_.data(), products_.data() + size()}; }
  FrameProducts products_B() const {
    return {products_.data() + 2 * size(), products_.data() + 3 * size()};
  }
  /// @}

  /// B^T E and E A^T of the adjusted gradient, clipped.
  void image_of_gradient(const Pair& pair, const StepContext& context, const Team<Scalar>& team) {
    PairSolver& solver = adjusted.solver;
    solver.coefficients().scale(context.clip);
    const PairSolver& products = solver;
    image.compute(solver.coefficients(), {products.cross_A(), products.gram_A()},
                  {products.cross_B(), products.gram_B()}, pair.model.scaling, team.own().wide);
    set_image(pair, image, solver.coefficients().conditioning());
  }

  /// Whether the momentum of this norm can be raised in the wide scalar.
  bool momentum_fits(const SecondStepBound& bound, double norm) const {
    double inverses = 1;
    for (const Spectrum* spectrum :
         {&adjusted.solver.spectra().gram_A(), &adjusted.solver.spectra().gram_B()}) {
      double smallest = 1;
      for (Index i = 0; i < adjusted.solver.rank(); ++i)
        if (spectrum->values[i] > spectrum->cutoff)
          smallest = (std::min)(smallest, spectrum->values[i]);
      inverses /= smallest;
    }
    const double factors = (std::max)({1.0, bound.norm_A(), bound.norm_B()});
    return is_below(inverses * factors * factors * (std::max)(1.0, norm),
                    (std::numeric_limits<double>::max)() / 16);
  }

  /// Takes the coefficients of what the factors see, of on_grad_A() and so on, for panels.
  template <typename Coefficients>
  void set_image(const Pair& pair, const Coefficients& c, double conditioning) {
    // Where Scalar is too narrow for them, the wide scalar is not.
    const double wide = (std::numeric_limits<double>::max)();
    if (!image_A_.set(c.on_grad_A(), c.on_A(), conditioning, pair.model.lora_A))
      (void)image_A_.set(c.on_grad_A(), c.on_A(), wide, pair.model.lora_A);
    if (!image_B_.set(c.on_grad_B(), c.on_B(), conditioning, pair.model.lora_B))
      (void)image_B_.set(c.on_grad_B(), c.on_B(), wide, pair.model.lora_B);
  }

  /// Projects the direction, whose cross products are in the solver, and steps along it.
  /// \param direction_norm  as in PairSolver::conclude.
  /// \param direction  direction(side, layout, panel, factor, scratch, out) writes the panel of
  ///                   B^T H or (H A^T)^T; scratch.scalars from 3 panels on are its own.
  template <typename Direction>
  void descend(const Pair& pair, const StepContext& context, const Team<Scalar>& team,
               Scalar* shared, double direction_norm, const Direction& direction) {
    // prepare has bounded the second step.
    (void)adjusted.solver.project(pair.model.scaling, context.adjust_options(), direction_norm, 1.0,
                                  team.own().wide);
    (void)adjusted.combine(pair);
    for (Index which = 0; which < 2; ++which) {
      const Side side = this->side(pair, which, shared);
      const StepContext own = which == 0 ? context : context.of_B();
      const PanelLayout layout(side.model);
      const Index size = panel_size(pair.rank);
      update_parameter(
          side.model, side.master, team,
          [&](Index panel, const Panel<Scalar>& value, const Scratch<Scalar>& scratch) {
            Scalar* const panels = scratch.scalars;
            const auto f = read_panel(side.model, layout, panel, panels + size);
            write_panel<Scalar>(f, side.before, layout, panel);
            const Panel<Scalar> h{panels + 2 * size, layout.stride()};
            direction(side, layout, panel, f, scratch, h);
            const Panel<Scalar> d{panels + 3 * size, layout.stride()};
            side.step->apply(layout, panel, f, Panel<const Scalar>{h.data, h.stride}, d,
                             scratch.wide);
            descend_panel(own.decay, own.lr, layout, panel, Panel<const Scalar>{d.data, d.stride},
                          value);
          });
    }
  }

  /// Moves the momentum, raised at the factors before the step, to the factors after it.
  void transport(const Pair& pair, const Team<Scalar>& team, Scalar* shared) {
    team.parallel(2, [&](Index which, const Scratch<Scalar>& scratch) {
      const Side side = this->side(pair, which, shared);
      frame_products(side.moment, side.before, side.model, side.moment_products,
                     side.factor_products, scratch.wide);
    });
    image.compute(momentum.coefficients(), products_A(), products_B(), 1.0, team.own().wide);
    // The coefficients hold as many inverses as frames of the same side that cancel them: rounding
    // them costs no more than rounding what they act on.
    set_image(pair, image, 1.0);
    for (Index which = 0; which < 2; ++which) {
      const Side side = this->side(pair, which, shared);
      const PanelLayout layout(side.model);
      const Index size = panel_size(pair.rank);
      team.parallel_ranges(
          layout.count(), [&](Index, Index first, Index last, const Scratch<Scalar>& scratch) {
            for (Index panel = first; panel < last; ++panel) {
              Scalar* const panels = scratch.scalars;
              const auto f = read_panel(side.before, layout, panel, panels);
              const auto moment = read_panel(side.moment, layout, panel, panels + size);
              const Panel<Scalar> moved{panels + 2 * size, layout.stride()};
              side.image->apply(layout, panel, f, moment, moved, scratch.wide);
              write_panel<Scalar>({moved.data, moved.stride}, side.moment, layout, panel);
            }
          });
    }
  }

  AdjustedPair<Scalar> adjusted;
  TangentImage image;
  TangentMomentum momentum;
  Buffer<Scalar> exp_avg_A, exp_avg_B;

 private:
  Index size() const { return adjusted.solver.rank() * adjusted.solver.rank(); }

  FactorCombination<Scalar> image_A_, image_B_;
  Buffer<Wide> products_;
};

}  // namespace detail

LORAPRO_NAMESPACE_END

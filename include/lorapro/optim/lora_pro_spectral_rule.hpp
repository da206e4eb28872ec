// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/spectral_direction.hpp>
#include <lorapro/optim/dense_state.hpp>
#include <lorapro/optim/lora_pro_tangent_step.hpp>

LORAPRO_NAMESPACE_BEGIN

/// LoRA-Pro with spectral moments: all singular values of the momentum of the equivalent gradient E
/// are set to one, and the direction is projected on the factors again. No second moment.
///
/// 1. (dA, dB) from (grad_A, grad_B), clipped;  E = s (B dA + dB A), of rank at most 2 r
/// 2. M = beta1 M + (1 - beta1) E, kept as exp_avg_A = B^T M and exp_avg_B = M A^T
/// 3. N = beta1 M + (1 - beta1) E = U diag(sigma) V^T (Nesterov's form);
///    H = 0.2 sqrt(m n / min(2 r, m, n)) U V^T, without singular values below 1e-5 of the largest
/// 4. hA = s B^T H, hB = s H A^T; the adjusted (hA, hB), with the same spectra, is the step
/// 5. transport to the factors after the step: exp_avg_A = B^T M, exp_avg_B = M A^T (undamped)
///
/// State (m + n) r; beta2 and eps are not used. The scale gives H the root mean square 0.2 of an
/// AdamW step at every rank, so that learning rates are those of full moments. Dense parameters:
/// AdamW. Factors that somebody else changes between two steps no longer fit the momentum
/// (TangentMomentum).
/// \cost per pair 22 r^2 (m + n) + 350 r^3 flops; no heap.
/// \ref SpectralDirection; the tangent momentum and the projections are the library's. The scale
///      follows Liu et al., Muon is scalable for LLM training, arXiv:2502.16982v1, section 2.2,
///      with the rank that N has in place of the min(m, n) of a full matrix.
template <>
struct LoraPro<SpectralMoments> {
  static constexpr const char* kName = "LoraPro<SpectralMoments>";
  static constexpr double kBeta1 = 0.95;
  static constexpr double kMaxRelativeMove = 0.1;

  template <typename Scalar>
  struct PairState {
    PairState(Index out_features, Index in_features, Index rank)
        : tangent(out_features, in_features, rank), direction_(rank) {}
    template <typename Visitor>
    void visit(Visitor&& visitor) {
      tangent.visit(visitor);
    }
    static Index scratch_size(Index rank) { return 5 * panel_size(rank); }
    /// Of the factors before the step, and of what they see of N.
    static Index shared_scratch_size(Index out_features, Index in_features, Index rank) {
      return 2 * Tangent::shared_scratch_size(out_features, in_features, rank);
    }
    static Index work(Index out_features, Index in_features, Index rank) {
      return (out_features + in_features) * rank * rank / 4;
    }
    static Index wide_scratch_size(Index rank) { return Tangent::wide_scratch_size(rank); }

    PairSolver& measure(const Pair& pair, const StepContext& context, const Team<Scalar>& team) {
      return detail::measure_adjusted(pair, context, tangent.adjusted, team);
    }

    Preparation prepare(const Pair& pair, const StepContext& context, const Team<Scalar>& team) {
      const auto max = static_cast<double>((std::numeric_limits<Scalar>::max)());
      const PairSolver& solver = tangent.adjusted.solver;
      Preparation result =
          detail::prepare_adjusted<Scalar>(pair, context, max, tangent.adjusted, team);
      if (!result.report.usable()) return result;
      // Half of the root for every ||E||, and so for ||M||; the other half for the new factors.
      const double root = std::sqrt(max) / 2;
      const detail::SecondStepBound bound(pair, context, solver);
      const double direction =
          detail::usual_singular_value(pair) * std::sqrt(detail::largest_rank(pair));
      const double step = (std::max)(1.0, context.largest_lr()) * bound.step(direction);
      const double factors = (std::max)(bound.norm_A(), bound.norm_B());
      const double s = (std::max)(1.0, std::abs(pair.model.scaling));
      using detail::is_below;
      if (!is_below(bound.equivalent(solver), root) || !is_below(factors + step, root) ||
          !is_below(s * factors * direction, root) || !is_below(s * bound.inverse(), max) ||
          !tangent.momentum_fits(bound, root))
        result.report.status = AdjustStatus::overflow;
      return result;
    }

    void update(const Pair& pair, const StepContext& context, const Team<Scalar>& team) {
      PairSolver& solver = tangent.adjusted.solver;
      Scalar* const shared = team.own().scalars + scratch_size(pair.rank);

      tangent.image_of_gradient(pair, context, team);
      Side sides[2];
      for (Index which = 0; which < 2; ++which) sides[which] = tangent.side(pair, which, shared);
      team.parallel(2, [&](Index which, const Scratch<Scalar>& own) {
        accumulate(sides[which], seen(pair, sides[which]), *context.config->beta1, own);
      });

      tangent.momentum.raise(solver.spectra(), team.own().wide);
      // The products are finite, since prepare has bounded them. Without a direction nothing moves,
      // and the momentum is already what these factors see of it.
      if (!direction_.compute(solver.spectra(), sides[0].factor_products, sides[0].moment_products,
                              sides[1].factor_products, sides[1].moment_products,
                              pair.model.scaling * detail::usual_singular_value(pair)))
        return;
      direction_.cross(solver.cross_A(), solver.cross_B());
      tangent.set_image(pair, direction_, direction_.conditioning());
      tangent.descend(
          pair, context, team, shared, detail::usual_direction_norm(pair),
          [&](const Side& side, const PanelLayout& layout, Index panel,
              const Panel<const Scalar>& f, const Scratch<Scalar>& own, const Panel<Scalar>& h) {
            Scalar* const rest = own.scalars + 4 * panel_size(layout.rank());
            const auto nu = read_panel(seen(pair, side), layout, panel, rest);
            side.image->apply(layout, panel, f, nu, h, own.wide);
          });
      tangent.transport(pair, team, shared);
    }

    detail::TangentStep<Scalar> tangent;

   private:
    using Tangent = detail::TangentStep<Scalar>;
    using Side = detail::TangentSide<Scalar>;

    /// What a side's factor sees of N: scratch behind that of the factors before the step.
    static FactorView seen(const Pair& pair, const Side& side) {
      FactorView view = side.before;
      view.data = static_cast<Scalar*>(view.data) +
                  Tangent::shared_scratch_size(pair.out_features, pair.in_features, pair.rank);
      return view;
    }

    /// Steps 2 and 3 of one side: the momentum and N as the factor sees them, and their products.
    static void accumulate(const Side& side, const FactorView& seen_of_N, double beta1,
                           const Scratch<Scalar>& scratch) {
      const WidePanels products(side.model);
      const PanelLayout& layout = products.source();
      const Index r = layout.rank(), size = panel_size(r), stride = layout.stride();
      Scalar* const panels = scratch.scalars;
      Wide* const wide = scratch.wide;
      for (Wide* const out : {side.moment_cross, side.moment_products, side.factor_products})
        std::fill(out, out + r * r, 0.0);
      for (Index panel = 0; panel < layout.count(); ++panel) {
        const auto f = read_panel(side.model, layout, panel, panels);
        const auto g = read_panel(side.grad, layout, panel, panels + size);
        const Panel<Scalar> part{panels + 2 * size, stride};
        side.image->apply(layout, panel, f, g, part, wide);
        const auto moment =
            detail::average_panel(beta1, layout, panel, part, side.moment, panels + 3 * size);
        // N = beta1 M + (1 - beta1) E = (1 - beta1) E - (-beta1) M.
        detail::descend_panel(1 - beta1, -beta1, layout, panel, moment, part);
        write_panel<Scalar>({part.data, part.stride}, seen_of_N, layout, panel);

        Wide* const values = wide + WidePanels::size(r);
        const auto right = products.convert(panel, f, wide);
        products.add_products(panel, products.convert(panel, moment, values), right,
                              side.moment_cross);
        const auto left = products.convert(panel, Panel<const Scalar>{part.data, stride}, values);
        products.add_products(panel, left, right, side.factor_products);
        products.add_gram(panel, left, side.moment_products);
      }
      detail::mirror(r, side.moment_products);
    }

    SpectralDirection direction_;
  };

  template <typename Scalar>
  using DenseState = DenseAdamWState<Scalar>;
};

LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/equivalent_energy.hpp>
#include <lorapro/optim/dense_state.hpp>
#include <lorapro/optim/lora_pro_tangent_step.hpp>

LORAPRO_NAMESPACE_BEGIN

/// LoRA-Pro AdamW with factored moments: as with full moments, Adam on the equivalent gradient E in
/// W coordinates and a second projection of its direction H, but with a momentum in the tangent
/// space and a second moment of rank one, so that no m x n matrix is needed.
///
/// 1. (dA, dB) from (grad_A, grad_B), clipped;  E = s (B dA + dB A), of rank at most 2 r
/// 2. M = beta1 M + (1 - beta1) E, kept as exp_avg_A = B^T M and exp_avg_B = M A^T
/// 3. exp_avg_sq_row = beta2 exp_avg_sq_row + (1 - beta2) (sums of the rows of E.^2); likewise
///    exp_avg_sq_col: the estimate of the second moment is v_ij = row_i col_j / sum(row)
/// 4. H = D_row (M / (1 - beta1^t)) D_col; with the root mean squares a_i of row i, b_j of column j
///    and c of all of E, bias-corrected, H_ij = M_ij (c + eps) / ((a_i + eps) (b_j + eps)): Adam's
///    sqrt(v) + eps where either dominates, and still of rank 2 r
/// 5. hA = s B^T H, hB = s H A^T; the adjusted (hA, hB), with the same spectra, is the step
/// 6. transport to the factors after the step: exp_avg_A = B^T M, exp_avg_B = M A^T (undamped)
///
/// A row or column whose root mean square is below kFloor c is normalised as if it were kFloor c:
/// what is stored of M there is rounding noise. State (m + n) r + m + n. Factors that somebody else
/// changes between two steps no longer fit the momentum (TangentMomentum).
/// \cost per pair 34 r^2 (m + n) + 4 r^2 n + 210 r^3 flops; no heap.
/// \ref the first moment, its transport and the projections are the library's; the rank-one second
///      moment is that of Shazeer & Stern, arXiv:1804.04235v1, section 3.
template <>
struct LoraPro<FactoredMoments> {
  static constexpr const char* kName = "LoraPro<FactoredMoments>";

  /// Of the root mean square of a row or column, relative to that of E.
  static constexpr double kFloor = 0x1.0p-20;

  template <typename Scalar>
  struct PairState {
    PairState(Index out_features, Index in_features, Index rank)
        : tangent(out_features, in_features, rank),
          exp_avg_sq_row(out_features),
          exp_avg_sq_col(in_features),
          energy_(rank),
          weighted_(3 * rank * rank) {}
    template <typename Visitor>
    void visit(Visitor&& visitor) {
      tangent.visit(visitor);
      visitor("exp_avg_sq_row",
              StateTensor<Scalar>(exp_avg_sq_row.data(), exp_avg_sq_row.size(), 1));
      visitor("exp_avg_sq_col",
              StateTensor<Scalar>(exp_avg_sq_col.data(), 1, exp_avg_sq_col.size()));
    }
    static Index scratch_size(Index rank) { return kOwnPanels * panel_size(rank) + kPanelWidth; }
    static Index shared_scratch_size(Index out_features, Index in_features, Index rank) {
      return Tangent::shared_scratch_size(out_features, in_features, rank);
    }
    static Index work(Index out_features, Index in_features, Index rank) {
      return (out_features + in_features) * rank * rank / 4;
    }
    static Index wide_scratch_size(Index rank) {
      return Tangent::wide_scratch_size(rank) + kPanelWidth;
    }

    PairSolver& measure(const Pair& pair, const StepContext& context, const Team<Scalar>& team) {
      return detail::measure_adjusted(pair, context, tangent.adjusted, team, kGrams);
    }

    Preparation prepare(const Pair& pair, const StepContext& context, const Team<Scalar>& team) {
      const auto max = static_cast<double>((std::numeric_limits<Scalar>::max)());
      PairSolver& solver = tangent.adjusted.solver;
      Preparation result =
          detail::prepare_adjusted<Scalar>(pair, context, max, tangent.adjusted, team, kGrams);
      if (!result.report.usable()) return result;
      energy_before_ = 0;
      for (Index i = 0; i < exp_avg_sq_row.size(); ++i)
        energy_before_ += static_cast<double>(exp_avg_sq_row[i]);

      const detail::SecondStepBound bound(pair, context, solver);
      const double gradient = bound.equivalent(solver);
      if (!detail::is_below(gradient, std::sqrt(max) / 2) ||
          !detail::is_below(step_bound(pair, context, bound, gradient), max))
        result.report.status = AdjustStatus::overflow;
      return result;
    }

    void update(const Pair& pair, const StepContext& context, const Team<Scalar>& team) {
      const OptimizerConfig& config = *context.config;
      PairSolver& solver = tangent.adjusted.solver;
      Scalar* const shared = team.own().scalars + scratch_size(pair.rank);
      Wide* const scratch = team.own().wide;
      const double s = pair.model.scaling;

      tangent.image_of_gradient(pair, context, team);
      energy_.compute(pair.model, solver, scratch);
      const double energy = config.beta2 * energy_before_ +
                            (1 - config.beta2) * solver.equivalent_squared_norm(s, scratch);
      const Normalisation normalisation(pair, config, context.step, energy);
      team.parallel(2, [&](Index which, const Scratch<Scalar>& own) {
        accumulate(tangent.side(pair, which, shared), config, normalisation,
                   (which == 0) == fixes_A(context.free_factor), own);
      });

      tangent.momentum.raise(solver.spectra(), scratch);
      tangent.image.compute(tangent.momentum.coefficients(), tangent.products_A(),
                            tangent.products_B(), s * normalisation.direction_scale, scratch);
      tangent.image.cross(tangent.products_A(), solver.cross_A(), solver.cross_B());
      tangent.set_image(pair, tangent.image, tangent.momentum.coefficients().conditioning());
      tangent.descend(
          pair, context, team, shared, direction_norm(pair, context, scratch),
          [&](const Side& side, const PanelLayout& layout, Index panel,
              const Panel<const Scalar>& f, const Scratch<Scalar>& own, const Panel<Scalar>& h) {
            Scalar* const rest = own.scalars + 4 * panel_size(layout.rank());
            const auto moment = read_panel(side.moment, layout, panel, rest);
            side.image->apply(layout, panel, f, moment, h, own.wide);
            weigh(side, normalisation, layout, panel, h, own.wide);
          });
      tangent.transport(pair, team, shared);
    }

    Buffer<Scalar>& energies(Index which) { return which == 0 ? exp_avg_sq_col : exp_avg_sq_row; }

    detail::TangentStep<Scalar> tangent;
    Buffer<Scalar> exp_avg_sq_row, exp_avg_sq_col;

   private:
    using Tangent = detail::TangentStep<Scalar>;
    using Side = detail::TangentSide<Scalar>;
    static constexpr Index kOwnPanels = 5;
    static constexpr detail::GradGrams kGrams{true, true};

    /// H = direction_scale D_row M D_col with weights (c + eps) / (a_i + eps), in [m^-1/2, 1 /
    /// kFloor].
    struct Normalisation {
      double correction, eps, all, direction_scale;

      Normalisation(const Pair& pair, const OptimizerConfig& config, std::int64_t step,
                    double energy)
          : correction(1 - std::pow(config.beta2, static_cast<double>(step))), eps(config.eps) {
        const double size =
            static_cast<double>(pair.out_features) * static_cast<double>(pair.in_features);
        all = std::sqrt(energy / correction / size);
        direction_scale =
            1 / ((all + eps) * (1 - std::pow(*config.beta1, static_cast<double>(step))));
      }
      /// \param length        of the rows or columns.
      /// \param[out] weights  whole packets, up to kPanelWidth elements.
      void weights(const Scalar* energies, Index count, Index length, Wide* weights) const {
        using P = detail::Packets<Wide>;
        const Wide least = kFloor * kFloor * all * all;
        const Wide scale = 1 / (correction * static_cast<double>(length));
        for (Index j = 0; j < count; ++j)
          weights[j] = (std::max)(least, static_cast<Wide>(energies[j]) * scale);
        for (Index j = 0; j < count; j += P::kSize)
          P::store(weights + j,
                   detail::normalize(P::set(all + eps), P::load(weights + j), P::set(eps)));
      }
    };

    /// Upper bound of what the update holds in Scalar after E.
    /// \param gradient  upper bound of ||E||_F.
    double step_bound(const Pair& pair, const StepContext& context,
                      const detail::SecondStepBound& bound, double gradient) const {
      const OptimizerConfig& config = *context.config;
      const auto m = static_cast<double>(pair.out_features);
      const auto n = static_cast<double>(pair.in_features);
      // ||M||_F against the root of the averaged ||E||_F^2, as for one element of Adam; transport
      // only shortens M.
      const double adam = detail::adam_direction_bound(config);
      const double direction = adam * std::sqrt(m * n) / (kFloor * kFloor);
      const double step = (std::max)(1.0, context.largest_lr()) * bound.step(direction);
      const double momentum = adam * std::sqrt(energy_before_ * config.beta2 +
                                               (1 - config.beta2) * gradient * gradient);
      const double factors = (std::max)(bound.norm_A(), bound.norm_B());
      const double largest =
          (std::max)({2 * step, factors * direction * std::sqrt((std::max)(m, n)),
                      (std::max)(1.0, std::abs(pair.model.scaling)) * bound.inverse(),
                      (factors + step) * momentum});
      return tangent.momentum_fits(bound, momentum) ? largest
                                                    : (std::numeric_limits<double>::max)();
    }

    /// N of scale_free_dampings for H, at least least_direction_norm: from the Gram
    /// matrix of s B^T H = (on_grad a + on_factor f) D of the fixed side, with a and f its moment
    /// and factor, D the weights of its positions.
    double direction_norm(const Pair& pair, const StepContext& context, Wide* scratch) {
      const Index r = pair.rank, size = r * r;
      const bool fixed_A = fixes_A(context.free_factor);
      const TangentImage& image = tangent.image;
      const Wide* const on_grad = fixed_A ? image.on_grad_A() : image.on_grad_B();
      const Wide* const on_factor = fixed_A ? image.on_A() : image.on_B();
      const Wide *const aa = weighted_.data(), *const af = aa + size, *const ff = af + size;
      Wide *const seen_a = scratch, *const seen_f = seen_a + size, *const gram = seen_f + size;
      for (Index i = 0; i < r; ++i)
        for (Index k = 0; k < r; ++k) gram[i * r + k] = af[k * r + i];
      panel_product_sum({on_grad, r, aa, r}, {on_factor, r, gram, r}, r, r, r, seen_a, r);
      panel_product_sum({on_grad, r, af, r}, {on_factor, r, ff, r}, r, r, r, seen_f, r);
      std::fill(gram, gram + size, 0.0);
      panel_dots(seen_a, r, r, on_grad, r, r, r, gram, r, 1);
      panel_dots(seen_f, r, r, on_factor, r, r, r, gram, r, 1);
      return (std::max)(tangent.adjusted.solver.direction_norm(gram, pair.model.scaling,
                                                               context.adjust_options(), seen_a),
                        detail::least_direction_norm(pair));
    }

    /// Steps 2 and 3 of one side, and the products that 4 needs.
    void accumulate(const Side& side, const OptimizerConfig& config,
                    const Normalisation& normalisation, bool fixed,
                    const Scratch<Scalar>& scratch) {
      const WidePanels products(side.model);
      const PanelLayout& layout = products.source();
      const Index r = layout.rank(), size = panel_size(r), stride = layout.stride();
      Scalar* const panels = scratch.scalars;
      Scalar* const sums = panels + kOwnPanels * size;
      Wide* const wide = scratch.wide;
      Wide* const weights = wide + Tangent::wide_scratch_size(r);
      Scalar* const averages = energies(side.which).data();
      const auto beta2 = static_cast<Scalar>(config.beta2);
      const auto rest2 = static_cast<Scalar>(1 - config.beta2);
      for (Wide* const out : {side.moment_cross, side.moment_products, side.factor_products})
        std::fill(out, out + r * r, 0.0);
      Wide *const aa = weighted_.data(), *const af = aa + r * r, *const ff = af + r * r;
      if (fixed) std::fill(aa, aa + 3 * r * r, 0.0);
      for (Index panel = 0; panel < layout.count(); ++panel) {
        const auto f = read_panel(side.model, layout, panel, panels);
        const auto g = read_panel(side.grad, layout, panel, panels + size);
        const Panel<Scalar> part{panels + 2 * size, stride};
        side.image->apply(layout, panel, f, g, part, wide);
        const auto moment = detail::average_panel(*config.beta1, layout, panel, part, side.moment,
                                                  panels + 3 * size);

        const Panel<const Scalar> seen{part.data, stride};
        if (side.which == 0) {
          energy_.apply_A(layout, panel, f, seen, sums, panels + 4 * size);
        } else {
          energy_.apply_B(layout, panel, f, seen, sums, panels + 4 * size);
        }
        Scalar* const average = averages + panel * kPanelWidth;
        for (Index j = 0; j < layout.width(panel); ++j)
          average[j] = beta2 * average[j] + rest2 * sums[j];
        normalisation.weights(average, layout.width(panel), side.other_length, weights);

        const Index wide_size = WidePanels::size(r);
        const auto right = products.convert(panel, f, wide);
        const auto left = products.convert(panel, moment, wide + wide_size);
        const auto frame = products.convert(panel, f, wide + 2 * wide_size);
        products.scale_positions(panel, weights, wide + 2 * wide_size);
        products.add_products(panel, left, right, side.moment_cross);
        products.add_products(panel, left, frame, side.moment_products);
        products.add_products(panel, right, frame, side.factor_products);
        if (!fixed) continue;
        products.scale_positions(panel, weights, wide + wide_size);
        products.add_gram(panel, left, aa);
        products.add_products(panel, left, frame, af);
        products.add_gram(panel, frame, ff);
      }
      if (!fixed) return;
      detail::mirror(r, aa);
      detail::mirror(r, ff);
    }

    void weigh(const Side& side, const Normalisation& normalisation, const PanelLayout& layout,
               Index panel, const Panel<Scalar>& h, Wide* weights) {
      const Scalar* const average = energies(side.which).data() + panel * kPanelWidth;
      normalisation.weights(average, layout.width(panel), side.other_length, weights);
      detail::scale_positions(layout, panel, weights, h);
    }

    EquivalentEnergy<Scalar> energy_;
    Buffer<Wide> weighted_;     // of the fixed side: a D^2 a^T, a D^2 f^T, f D^2 f^T
    double energy_before_ = 0;  // sum of exp_avg_sq_row before the step
  };

  template <typename Scalar>
  using DenseState = DenseAdamWState<Scalar>;
};

LORAPRO_NAMESPACE_END

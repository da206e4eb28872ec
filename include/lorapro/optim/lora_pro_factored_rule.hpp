// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/equivalent_energy.hpp>
#include <lorapro/optim/adamw_rule.hpp>
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
struct LoraPro<FactoredMoments> : PairRule {
  static constexpr const char* kName = "lora_pro_factored";
  static constexpr bool kNeedsSpectra = true;

  /// Of the root mean square of a row or column, relative to that of E.
  static constexpr double kFloor = 0x1.0p-20;

  template <typename Scalar>
  class PairState {
   public:
    explicit PairState(const PairShape& shape)
        : shape_(shape),
          tangent_(shape),
          exp_avg_sq_{Buffer<Scalar>(shape.in_features), Buffer<Scalar>(shape.out_features)},
          energy_(shape.rank),
          image_(shape.rank),
          seen_direction_(shape.rank),
          arena_(7 * square_size(shape.rank)) {
      for (FrameProducts& side : framed_)
        side = {arena_.square(shape.rank), arena_.square(shape.rank)};
      weighted_ = {arena_.square(shape.rank), arena_.square(shape.rank), arena_.square(shape.rank)};
      arena_.close();
    }
    template <typename Visitor>
    void visit(Visitor&& visitor) {
      tangent_.visit(visitor);
      visitor("exp_avg_sq_row", StateTensor(exp_avg_sq_.B.data(), exp_avg_sq_.B.size(), 1));
      visitor("exp_avg_sq_col", StateTensor(exp_avg_sq_.A.data(), 1, exp_avg_sq_.A.size()));
    }
    static RuleWorkspace workspace(const PairShape& shape) {
      RuleWorkspace workspace = Tangent::workspace(shape);
      workspace.scalars = 5 * panel_size(shape.rank) + kPanelWidth;
      workspace.wide += kPanelWidth;
      return workspace;
    }
    static PerSide<bool> grad_grams(const StepContext&) { return {true, true}; }

    Preparation prepare(const PairStep<Scalar>& step) {
      Preparation result = tangent_.prepare(step);
      if (!result.report.usable()) return result;
      energy_before_ = 0;
      for (Index i = 0; i < exp_avg_sq_.B.size(); ++i)
        energy_before_ += static_cast<double>(exp_avg_sq_.B[i]);
      const auto max = static_cast<double>((std::numeric_limits<Scalar>::max)());
      const detail::SecondStepBound bound(step);
      if (!detail::is_below(bound.equivalent(), std::sqrt(max) / 2) ||
          !detail::is_below(largest_number(step, bound), max))
        result.report.status = AdjustStatus::overflow;
      return result;
    }

    void update(const PairStep<Scalar>& step) {
      const OptimizerConfig& config = *step.context.config;
      PairSolver& solver = *step.solver;
      const double s = step.pair.scaling;

      tangent_.see_gradient(step);
      energy_.compute(step.pair, solver, step.wide());
      const double energy = config.beta2 * energy_before_ +
                            (1 - config.beta2) * solver.equivalent_squared_norm(s, step.wide());
      const Normalisation normalisation(shape_, config, step.context.step, energy);
      step.team.both_sides([&](Side side, const Scratch<Scalar>& scratch) {
        accumulate(side, step, normalisation, scratch);
      });

      tangent_.project_momentum(step);
      const AdjustCoefficients& M = tangent_.momentum().coefficients();
      image_.compute(M, framed_, s * normalisation.direction_scale, step.wide());
      image_.cross(framed_.A, {solver.cross(Side::A), solver.cross(Side::B)});
      seen_direction_.set_widely(step.pair, image_, M.conditioning());
      tangent_.descend(step, step.team.shared(), direction_norm(step),
                       [&](Side side, const PanelAt& at, const Panel<const Scalar>& f,
                           const Panel<Scalar>& h, Scratch<Scalar> scratch) {
                         const auto moment =
                             read_panel(tangent_.exp_avg(side), at.layout, at.panel,
                                        scratch.scalars.vector(panel_size(shape_.rank)));
                         seen_direction_[side].apply(at, f, moment, h, scratch.wide);
                         scale_positions(at, weights(side, at, normalisation, scratch.wide), h);
                       });
      tangent_.transport(step, step.team.shared());
    }

   private:
    using Tangent = detail::TangentStep<Scalar>;

    /// H = direction_scale D_row M D_col with weights (c + eps) / (a_i + eps), in [m^-1/2, 1 /
    /// kFloor].
    struct Normalisation {
      double correction, eps, all, direction_scale;

      Normalisation(const PairShape& shape, const OptimizerConfig& config, std::int64_t step,
                    double energy)
          : correction(1 - std::pow(config.beta2, static_cast<double>(step))), eps(config.eps) {
        const double size =
            static_cast<double>(shape.out_features) * static_cast<double>(shape.in_features);
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

    /// Of the fixed side, with a its exp_avg, F its factor and D the weights of its positions.
    struct Weighted {
      Square aa, af, ff;  // a D^2 a^T, a D^2 F^T, F D^2 F^T
    };

    /// Upper bound of what the update holds in Scalar after E.
    double largest_number(const PairStep<Scalar>& step,
                          const detail::SecondStepBound& bound) const {
      const OptimizerConfig& config = *step.context.config;
      const double gradient = bound.equivalent();
      const auto m = static_cast<double>(shape_.out_features);
      const auto n = static_cast<double>(shape_.in_features);
      // ||M||_F against the root of the averaged ||E||_F^2, as for one element of Adam; transport
      // only shortens M.
      const double adam = detail::adam_direction_bound(config);
      const double direction = adam * std::sqrt(m * n) / (kFloor * kFloor);
      const double move = (std::max)(1.0, step.pair.largest_lr()) * bound.step(direction);
      const double momentum = adam * std::sqrt(energy_before_ * config.beta2 +
                                               (1 - config.beta2) * gradient * gradient);
      const double factors = bound.largest_factor();
      const double largest =
          (std::max)({2 * move, factors * direction * std::sqrt((std::max)(m, n)),
                      (std::max)(1.0, std::abs(step.pair.scaling)) * bound.inverse(),
                      (factors + move) * momentum});
      return bound.momentum_fits(momentum) ? largest : (std::numeric_limits<double>::max)();
    }

    /// N of scale_free_dampings for H, at least least_direction_norm: from the Gram matrix of
    /// s B^T H = (on_grad a + on_factor F) D of the fixed side.
    double direction_norm(const PairStep<Scalar>& step) const {
      const AdjustOptions options = step.adjust_options();
      const SideCoefficients image = image_[options.fixed_factor()];
      Workspace scratch = step.wide();
      const Index r = shape_.rank;
      const Square with_a = scratch.square(r), with_F = scratch.square(r), gram = scratch.square(r);
      const Square fa = gram;  // F D^2 a^T, before it is the Gram matrix
      transpose(fa, weighted_.af);
      multiply_sum(with_a, image.on_grad, weighted_.aa, image.on_factor, fa);
      multiply_sum(with_F, image.on_grad, weighted_.af, image.on_factor, weighted_.ff);
      multiply(gram, with_a, transposed(image.on_grad));
      add_product(gram, with_F, transposed(image.on_factor));
      return (std::max)(step.solver->direction_norm(gram, step.pair.scaling, options, scratch),
                        detail::least_direction_norm(shape_));
    }

    /// Weights of the positions of a panel, from the energies as they are.
    /// \return whole packets. \param scratch  kPanelWidth elements.
    Wide* weights(Side side, const PanelAt& at, const Normalisation& normalisation,
                  Workspace scratch) const {
      Wide* const out = scratch.vector(kPanelWidth);
      normalisation.weights(exp_avg_sq_[side].data() + at.panel * kPanelWidth,
                            at.layout.width(at.panel), shape_.length(other(side)), out);
      return out;
    }

    /// Stages 2 and 3 of one side, and the products that 4 needs.
    void accumulate(Side side, const PairStep<Scalar>& step, const Normalisation& normalisation,
                    Scratch<Scalar> scratch) {
      const OptimizerConfig& config = *step.context.config;
      const Factor& factor = step.pair[side];
      const bool fixed = side == other(step.context.free_factor);
      const WidePanels products(factor.value);
      const PanelLayout& layout = products.source();
      const Index r = shape_.rank, size = panel_size(r);
      Scalar *const f_memory = scratch.scalars.vector(size),
                    *const g_memory = scratch.scalars.vector(size),
                    *const m_memory = scratch.scalars.vector(size);
      const Panel<Scalar> part{scratch.scalars.vector(size), layout.stride()};
      Scalar *const energy_part = scratch.scalars.vector(size), *const energies =
                                                                    scratch.scalars.vector(
                                                                        kPanelWidth);
      Wide* const weights = scratch.wide.vector(kPanelWidth);
      const FactorView exp_avg = tangent_.exp_avg(side);
      const Square moment_cross = tangent_.momentum().cross(side);
      const auto [with_frame, factor_with_frame] = framed_[side];
      const auto beta2 = static_cast<Scalar>(config.beta2);
      const auto rest2 = static_cast<Scalar>(1 - config.beta2);
      for (const Square out : {moment_cross, with_frame, factor_with_frame}) set_zero(out);
      if (fixed)
        for (const Square out : {weighted_.aa, weighted_.af, weighted_.ff}) set_zero(out);
      for (Index panel = 0; panel < layout.count(); ++panel) {
        const PanelAt at{layout, panel};
        const auto f = read_panel(factor.value, layout, panel, f_memory);
        const auto g = read_panel(factor.grad, layout, panel, g_memory);
        tangent_.gradient()[side].apply(at, f, g, part, scratch.wide);
        const auto moment =
            detail::average_panel(*config.beta1, at, read_only(part), exp_avg, m_memory);

        energy_[side].apply(at, f, read_only(part), energies, energy_part);
        Scalar* const average = exp_avg_sq_[side].data() + panel * kPanelWidth;
        for (Index j = 0; j < layout.width(panel); ++j)
          average[j] = beta2 * average[j] + rest2 * energies[j];
        normalisation.weights(average, layout.width(panel), shape_.length(other(side)), weights);

        Workspace wide = scratch.wide;
        Wide* const of_f = wide.vector(WidePanels::size(r));
        Wide* const of_moment = wide.vector(WidePanels::size(r));
        Wide* const of_frame = wide.vector(WidePanels::size(r));
        const auto right = products.convert(panel, f, of_f);
        const auto left = products.convert(panel, moment, of_moment);
        const auto frame = products.convert(panel, f, of_frame);
        products.scale_positions(panel, weights, of_frame);
        products.add_products(panel, left, right, moment_cross);
        products.add_products(panel, left, frame, with_frame);
        products.add_products(panel, right, frame, factor_with_frame);
        if (!fixed) continue;
        products.scale_positions(panel, weights, of_moment);
        products.add_gram(panel, left, weighted_.aa);
        products.add_products(panel, left, frame, weighted_.af);
        products.add_gram(panel, frame, weighted_.ff);
      }
      if (!fixed) return;
      mirror(weighted_.aa);
      mirror(weighted_.ff);
    }

    /// Multiplies position j of a panel by factors[j].
    static void scale_positions(const PanelAt& at, const Wide* factors,
                                const Panel<Scalar>& values) {
      for (Index i = 0; i < at.layout.rows(at.panel); ++i) {
        Scalar* const row = values.data + i * values.stride;
        if (at.layout.position_major()) {
          for (Index k = 0; k < at.layout.rank(); ++k) row[k] *= static_cast<Scalar>(factors[i]);
        } else {
          for (Index j = 0; j < at.layout.width(at.panel); ++j)
            row[j] *= static_cast<Scalar>(factors[j]);
        }
      }
    }

    PairShape shape_;
    Tangent tangent_;
    PerSide<Buffer<Scalar>> exp_avg_sq_;  // of the columns of E by A, of its rows by B
    EquivalentEnergy<Scalar> energy_;
    TangentImage image_;                      // of H, but for the outer weights
    PairCombination<Scalar> seen_direction_;  // the same for panels
    Arena arena_;
    PerSide<FrameProducts> framed_;  // of M and the factors with the weighted factors
    Weighted weighted_;
    double energy_before_ = 0;  // sum of exp_avg_sq_row before the step
  };

  template <typename Scalar>
  using DenseState = ElementwiseDense<AdamWRule, Scalar>;
};

LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/spectral_direction.hpp>
#include <lorapro/optim/adamw_rule.hpp>
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
struct LoraPro<SpectralMoments> : PairRule {
  static constexpr const char* kName = "lora_pro_spectral";
  static constexpr bool kNeedsSpectra = true;
  static constexpr double kBeta1 = 0.95;
  static constexpr double kMaxRelativeMove = 0.1;

  template <typename Scalar>
  class PairState {
   public:
    explicit PairState(const PairShape& shape)
        : shape_(shape),
          tangent_(shape),
          direction_(shape.rank),
          seen_direction_(shape.rank),
          arena_(4 * square_size(shape.rank)) {
      for (Products& side : nesterov_)
        side = {arena_.square(shape.rank), arena_.square(shape.rank)};
      arena_.close();
    }
    template <typename Visitor>
    void visit(Visitor&& visitor) {
      tangent_.visit(visitor);
    }
    /// The shared part holds what the factors see of N, too.
    static RuleWorkspace workspace(const PairShape& shape) {
      RuleWorkspace workspace = Tangent::workspace(shape);
      workspace.scalars = 5 * panel_size(shape.rank);
      workspace.shared *= 2;
      return workspace;
    }
    static PerSide<bool> grad_grams(const StepContext&) { return {}; }

    Preparation prepare(const PairStep<Scalar>& step) {
      Preparation result = tangent_.prepare(step);
      if (result.report.usable() && !fits(step)) result.report.status = AdjustStatus::overflow;
      return result;
    }

    void update(const PairStep<Scalar>& step) {
      PairSolver& solver = *step.solver;
      WorkspaceOf<Scalar> shared = step.team.shared();
      PerSide<FactorView> seen;
      for (const Side side : kSides)
        seen[side] = factor_view(side, shape_, shared.vector(shape_.rank * shape_.length(side)));

      tangent_.see_gradient(step);
      step.team.both_sides([&](Side side, const Scratch<Scalar>& scratch) {
        accumulate(side, step, seen[side], scratch);
      });
      tangent_.project_momentum(step);
      // The products are finite, since prepare has bounded them. Without a direction nothing moves,
      // and the momentum is already what these factors see of it.
      if (!direction_.compute(
              solver.spectra(),
              {{nesterov_.A.cross, nesterov_.A.gram}, {nesterov_.B.cross, nesterov_.B.gram}},
              step.pair.scaling * detail::usual_singular_value(shape_)))
        return;
      direction_.cross({solver.cross(Side::A), solver.cross(Side::B)});
      seen_direction_.set_widely(step.pair, direction_, direction_.conditioning());
      tangent_.descend(step, shared, detail::usual_direction_norm(shape_),
                       [&](Side side, const PanelAt& at, const Panel<const Scalar>& f,
                           const Panel<Scalar>& h, Scratch<Scalar> scratch) {
                         const auto nu =
                             read_panel(seen[side], at.layout, at.panel,
                                        scratch.scalars.vector(panel_size(shape_.rank)));
                         seen_direction_[side].apply(at, f, nu, h, scratch.wide);
                       });
      tangent_.transport(step, shared);
    }

   private:
    using Tangent = detail::TangentStep<Scalar>;

    /// Of what a factor sees of N.
    struct Products {
      Square cross;  // with the factor
      Square gram;   // with itself
    };

    bool fits(const PairStep<Scalar>& step) const {
      const auto max = static_cast<double>((std::numeric_limits<Scalar>::max)());
      // Half of the root for every ||E||, and so for ||M||; the other half for the new factors.
      const double root = std::sqrt(max) / 2;
      const detail::SecondStepBound bound(step);
      const double direction =
          detail::usual_singular_value(shape_) * std::sqrt(static_cast<double>(shape_.step_rank()));
      const double move = (std::max)(1.0, step.pair.largest_lr()) * bound.step(direction);
      const double factors = bound.largest_factor();
      const double s = (std::max)(1.0, std::abs(step.pair.scaling));
      using detail::is_below;
      return is_below(bound.equivalent(), root) && is_below(factors + move, root) &&
             is_below(s * factors * direction, root) && is_below(s * bound.inverse(), max) &&
             bound.momentum_fits(root);
    }

    /// Stages 2 and 3 of one side: the momentum and N as the factor sees them, and their products.
    void accumulate(Side side, const PairStep<Scalar>& step, const FactorView& seen_of_N,
                    Scratch<Scalar> scratch) {
      const Factor& factor = step.pair[side];
      const double beta1 = *step.context.config->beta1;
      const FactorView exp_avg = tangent_.exp_avg(side);
      const Square moment_cross = tangent_.momentum().cross(side);
      const auto [cross, gram] = nesterov_[side];
      const WidePanels products(factor.value);
      const PanelLayout& layout = products.source();
      const Index r = shape_.rank, size = panel_size(r);
      Scalar *const f_memory = scratch.scalars.vector(size),
                    *const g_memory = scratch.scalars.vector(size),
                    *const m_memory = scratch.scalars.vector(size);
      const Panel<Scalar> part{scratch.scalars.vector(size), layout.stride()};
      for (const Square out : {moment_cross, cross, gram}) set_zero(out);
      for (Index panel = 0; panel < layout.count(); ++panel) {
        const PanelAt at{layout, panel};
        const auto f = read_panel(factor.value, layout, panel, f_memory);
        const auto g = read_panel(factor.grad, layout, panel, g_memory);
        tangent_.gradient()[side].apply(at, f, g, part, scratch.wide);
        const auto moment = detail::average_panel(beta1, at, read_only(part), exp_avg, m_memory);
        // N = beta1 M + (1 - beta1) E.
        axpby_panel(beta1, at, moment, 1 - beta1, part);
        write_panel(read_only(part), seen_of_N, layout, panel);

        Workspace wide = scratch.wide;
        Wide* const values = wide.vector(WidePanels::size(r));
        const auto right = products.convert(panel, f, wide.vector(WidePanels::size(r)));
        products.add_products(panel, products.convert(panel, moment, values), right, moment_cross);
        const auto left = products.convert(panel, read_only(part), values);
        products.add_products(panel, left, right, cross);
        products.add_gram(panel, left, gram);
      }
      mirror(gram);
    }

    PairShape shape_;
    Tangent tangent_;
    SpectralDirection direction_;
    PairCombination<Scalar> seen_direction_;  // what the factors see of H
    Arena arena_;
    PerSide<Products> nesterov_;
  };

  template <typename Scalar>
  using DenseState = ElementwiseDense<AdamWRule, Scalar>;
};

LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/full_moments_kernel.hpp>
#include <lorapro/optim/dense_state.hpp>
#include <lorapro/optim/lora_pro_step.hpp>

LORAPRO_NAMESPACE_BEGIN

/// LoRA-Pro AdamW with full moments: Adam on the equivalent gradient E in W coordinates, whose
/// normalised direction H is then projected on the factors again.
///
/// 1. (dA, dB) from (grad_A, grad_B);  E = s (B dA + dB A)
/// 2. exp_avg = beta1 exp_avg + (1 - beta1) E;  exp_avg_sq = beta2 exp_avg_sq + (1 - beta2) E.^2
/// 3. H = exp_avg / (1 - beta1^t) / (sqrt(exp_avg_sq / (1 - beta2^t)) + eps)
/// 4. hA = s B^T H, hB = s H A^T; the adjusted (hA, hB), with the same spectra, is the step
///
/// State 2 m n of Storage. The moments need no transport when the factors change.
/// \tparam Storage  float, double or bfloat16. Of exp_avg_sq in bfloat16: adam_row.
/// \cost per pair 8 r m n + 11 m n + 12 r^2 (m + n) flops; one pass over the moments.
/// \ref arXiv:2407.18242v3, algorithm 2.
template <typename Storage>
struct LoraPro<FullMoments<Storage>> {
  template <typename Scalar>
  struct PairState {
    static_assert(std::is_same_v<Storage, Scalar> || std::is_same_v<Storage, bfloat16>,
                  "FullMoments: Storage must be the optimizer's Scalar or bfloat16");

    PairState(Index out_features, Index in_features, Index rank)
        : solver(rank),
          combination(rank),
          exp_avg(out_features * in_features),
          exp_avg_sq(out_features * in_features),
          out_features_(out_features) {}
    template <typename Visitor>
    void visit(Visitor&& visitor) {
      const Index in_features = exp_avg.size() / out_features_;
      visitor("exp_avg", StateTensor<Storage>(exp_avg.data(), out_features_, in_features));
      visitor("exp_avg_sq", StateTensor<Storage>(exp_avg_sq.data(), out_features_, in_features));
    }
    static Index scratch_size(Index out_features, Index in_features, Index rank) {
      using Buffers = FullMomentsBuffers<Scalar>;
      return 2 * Buffers::factor_size(rank, in_features) +
             3 * Buffers::factor_size(rank, out_features) +
             (Buffers::kTileRows + 3 * rank) * kPanelWidth;
    }
    static Index wide_scratch_size(Index rank) { return PairSolver::scratch_size(rank); }

    Preparation prepare(const Pair& pair, const StepContext& context,
                        const Scratch<Scalar>& scratch) {
      const auto max = static_cast<double>(std::numeric_limits<Scalar>::max());
      Preparation result =
          detail::prepare_adjusted<Scalar>(pair, context, max, solver, combination, scratch.wide);
      if (result.report.status == AdjustStatus::non_finite ||
          result.report.status == AdjustStatus::overflow)
        return result;
      if (!(equivalent_bound(pair) < std::sqrt(max)) || !(second_step_bound(pair, context) < max))
        result.report.status = AdjustStatus::overflow;
      return result;
    }

    void update(const Pair& pair, const StepContext& context, const Scratch<Scalar>& scratch) {
      using Buffers = FullMomentsBuffers<Scalar>;
      const OptimizerConfig& config = *context.config;
      const Index size_A = Buffers::factor_size(pair.rank, pair.in_features);
      const Index size_B = Buffers::factor_size(pair.rank, pair.out_features);
      Buffers buffers;
      buffers.lora_A = scratch.scalars;
      buffers.step_A = buffers.lora_A + size_A;
      buffers.lora_B = buffers.step_A + size_A;
      buffers.step_B = buffers.lora_B + size_B;
      buffers.back_B = buffers.step_B + size_B;
      buffers.tile = buffers.back_B + size_B;

      AdjustCoefficients& coefficients = solver.coefficients();
      coefficients.scale(context.clip * pair.model.scaling);
      (void)combination.set_A(coefficients);
      load_step(pair.model.lora_A, pair.model.grad_A, buffers.lora_A, buffers.step_A,
                buffers.tile, scratch.wide);
      (void)combination.set_B(coefficients);
      load_step(pair.model.lora_B, pair.model.grad_B, buffers.lora_B, buffers.step_B,
                buffers.tile, scratch.wide);

      full_moments_pass(AdamConstants<Scalar>(config.beta1, config.beta2, config.eps, context.step),
                        pair.model.scaling, pair.rank, pair.out_features, pair.in_features,
                        exp_avg.data(), exp_avg_sq.data(), context.rounding_key, buffers);

      cross(buffers.step_A, buffers.lora_A, pair.in_features, solver.cross_A(), scratch.wide);
      cross(buffers.back_B, buffers.lora_B, pair.out_features, solver.cross_B(), scratch.wide);
      // second_step_bound has excluded an overflow.
      (void)solver.project(pair.model.scaling, config.adjust_options(), 1.0, scratch.wide);
      (void)combination.set_A(coefficients);
      apply_step(pair.model.lora_A, pair.master_A, buffers.lora_A, buffers.step_A, context,
                 buffers.tile, scratch.wide);
      (void)combination.set_B(coefficients);
      apply_step(pair.model.lora_B, pair.master_B, buffers.lora_B, buffers.back_B, context,
                 buffers.tile, scratch.wide);
    }

    PairSolver solver;
    FactorCombination<Scalar> combination;
    Buffer<Storage> exp_avg, exp_avg_sq;

   private:
    /// Upper bound of ||E||_F, so of every element.
    double equivalent_bound(const Pair& pair) const {
      return std::abs(pair.model.scaling) * (norm_B() * solver.bound_A() +
                                             norm_A() * solver.bound_B());
    }

    /// Upper bound of the norms of the second adjusted gradient and of its coefficients. Adam's
    /// direction is bounded by (1 - beta1) / sqrt(1 - beta2) / (1 - beta1 / sqrt(beta2)) while
    /// beta1 < sqrt(beta2) (Cauchy and Schwarz on the two averages, bias corrections included).
    double second_step_bound(const Pair& pair, const StepContext& context) const {
      const OptimizerConfig& config = *context.config;
      const double ratio =
          config.beta1 == 0 ? 0 : config.beta1 / std::sqrt(std::max(config.beta2, 1e-300));
      const double element = ratio < 1 ? 1 / std::sqrt(1 - config.beta2) / (1 - ratio) : 1e12;
      const double direction =
          element * std::sqrt(static_cast<double>(pair.out_features) *
                              static_cast<double>(pair.in_features));
      const Spectrum& p = solver.spectra().gram_B();
      const Spectrum& q = solver.spectra().gram_A();
      const double s = std::abs(pair.model.scaling), lambda = solver.coefficients().lambda();
      const double t = largest_inverse(p, s, lambda), u = largest_inverse(q, s, lambda);
      // ||on_A|| <= s^2 ||hA A^T|| t min(t, u), and so on; twice it covers every gauge.
      const double core = s * s * s * norm_A() * norm_B() * direction;
      const double on_A = 2 * core * t * std::min(t, u) + core * t * u;
      const double on_B = 2 * core * u * std::min(t, u) + core * t * u;
      return std::max(t * s * norm_B() * direction + on_A * std::max(1.0, norm_A()),
                      u * s * norm_A() * direction + on_B * std::max(1.0, norm_B()));
    }

    double largest_inverse(const Spectrum& spectrum, double s, double lambda) const {
      double smallest = 0;
      for (Index i = 0; i < solver.rank(); ++i) {
        const double denominator = s * s * spectrum.values[i] + lambda;
        if (denominator > s * s * spectrum.cutoff && (smallest == 0 || denominator < smallest))
          smallest = denominator;
      }
      return smallest == 0 ? 0 : 1 / smallest;
    }

    double norm_A() const { return solver.factor_norm(solver.spectra().gram_A()); }
    double norm_B() const { return solver.factor_norm(solver.spectra().gram_B()); }

    /// Panels of a factor and of its combination with its gradient.
    void load_step(const FactorView& factor, const FactorView& grad, Scalar* f, Scalar* step,
                   Scalar* grad_panel, Wide* wide) const {
      const Index size = factor.rank * kPanelWidth;
      for (Index panel = 0; panel < panel_count(factor.length); ++panel) {
        load_panel(factor, panel, f + panel * size);
        load_panel(grad, panel, grad_panel);
        combination.apply(f + panel * size, grad_panel,
                          padded_width(panel_width(factor.length, panel)), step + panel * size,
                          wide);
      }
    }

    /// cross = h f^T in the wide scalar.
    void cross(const Scalar* h, const Scalar* f, Index length, Wide* out, Wide* scratch) const {
      const Index r = solver.rank(), size = r * kPanelWidth;
      std::fill(out, out + r * r, 0.0);
      for (Index panel = 0; panel < panel_count(length); ++panel) {
        const Index width = padded_width(panel_width(length, panel));
        for (Index k = 0; k < r; ++k)
          for (Index i = k * kPanelWidth; i < k * kPanelWidth + width; ++i) {
            scratch[i] = static_cast<Wide>(h[panel * size + i]);
            scratch[size + i] = static_cast<Wide>(f[panel * size + i]);
          }
        panel_dots(scratch, kPanelWidth, r, scratch + size, kPanelWidth, r, width, out, r,
                   Index{1});
      }
    }

    void apply_step(const FactorView& model, const FactorView& master, const Scalar* f,
                    const Scalar* h, const StepContext& context, Scalar* work, Wide* wide) const {
      const Index size = model.rank * kPanelWidth;
      detail::update_parameter(model, master, context.decay, context.lr, work,
                               [&](Index panel, Index width, Scalar* d) {
                                 combination.apply(f + panel * size, h + panel * size, width, d, wide);
                               });
    }

    Index out_features_;
  };

  template <typename Scalar>
  using DenseState = DenseAdamWState<Scalar>;
};

LORAPRO_NAMESPACE_END

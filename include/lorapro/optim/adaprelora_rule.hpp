// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/exact_energy.hpp>
#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/lora_pro_step.hpp>

LORAPRO_NAMESPACE_BEGIN

/// AdaPreLoRA without momentum: Adafactor's preconditioner in W coordinates, and the step of the
/// factors that comes closest to it in its own norm. With the equivalent gradient
/// E = P_B G + G P_A - P_B G P_A, which takes grad_A and grad_B alone,
///
///     L <- beta2 L + (1 - beta2) (sums of the rows of E.^2)      R likewise of the columns
///     p = diag(Lh / sum(Lh))^1/2,  q = diag(Rh)^1/2              (Lh, Rh bias-corrected)
///     hA = (B^T p B)^-1 grad_A q^-1                 hB = p^-1 grad_B (A q A^T)^-1
///     dA = (1 / s^2) hA (I - (1/2) q A^T (A q A^T)^-1 A)
///     dB = (1 / s^2) (I - (1/2) B (B^T p B)^-1 B^T p) hB
///
/// so that s (B dA + dB A) is the projection of p^-1 G q^-1, in the gauge that is balanced in that
/// norm. p_i^2 q_j^2 is Adafactor's second moment. W does not depend on how it is factorised, B = 0
/// included, from where A stays in the first step. A row or column whose root mean square is below
/// kFloor of that of all counts as if it were there, since its gradient is rounding noise; kEps1 is
/// added to all elements of E.^2. State: L and R as exp_avg_sq_row and exp_avg_sq_col, m + n.
/// \cost per pair 16 r^2 (m + n) + 90 r^3 flops; no heap.
/// \ref AdaPreLoRA, arXiv:2605.08734, where the energies are those of the full gradient, which is
///      not there, and there is no bias correction; its optional momentum is left out.
struct AdaPreLoraRule : PairRule {
  static constexpr const char* kName = "adaprelora";
  static constexpr bool kNeedsSpectra = true;
  static constexpr double kFloor = 0x1.0p-20;
  static constexpr double kEps1 = 1e-30;

  template <typename Scalar>
  class PairState {
   public:
    explicit PairState(const PairShape& shape)
        : shape_(shape),
          exp_avg_sq_{Buffer<Scalar>(shape.in_features), Buffer<Scalar>(shape.out_features)},
          energy_(shape.rank),
          weighted_(shape.rank),
          steps_(shape.rank),
          arena_(8 * square_size(shape.rank)) {
      for (Square& gram : grams_) gram = arena_.square(shape.rank);
      for (Square& inverse : inverses_) inverse = arena_.square(shape.rank);
      for (OwnedCoefficients& side : coefficients_)
        side = OwnedCoefficients::in(arena_, shape.rank);
      arena_.close();
    }
    template <typename Visitor>
    void visit(Visitor&& visitor) {
      visitor("exp_avg_sq_row", StateTensor(exp_avg_sq_.B.data(), exp_avg_sq_.B.size(), 1));
      visitor("exp_avg_sq_col", StateTensor(exp_avg_sq_.A.data(), 1, exp_avg_sq_.A.size()));
    }
    static RuleWorkspace workspace(const PairShape& shape) {
      return {5 * panel_size(shape.rank) + kPanelWidth,
              PairSolver::scratch_size(shape.rank) + kPanelWidth, 0,
              (shape.out_features + shape.in_features) * shape.rank * shape.rank / 8};
    }
    static PerSide<bool> grad_grams(const StepContext&) { return {true, true}; }

    Preparation prepare(const PairStep<Scalar>& step) {
      PairSolver& solver = *step.solver;
      const StepContext& context = step.context;
      Preparation result;
      result.report = solver.inspect(step.pair, context.grad_scale);
      if (!result.report.usable()) return result;
      bool fits = energy_.compute(solver, step.pair.scaling, context.grad_scale, step.wide());
      for (const Side side : kSides) fits = fits && is_bounded(side, step);
      energy_before_ = 0;
      for (Index i = 0; i < exp_avg_sq_.B.size(); ++i)
        energy_before_ += static_cast<double>(exp_avg_sq_.B[i]);
      if (!fits) result.report.status = AdjustStatus::overflow;
      if (context.clip_norm == ClipNorm::equivalent_gradient)
        result.squared_norm = energy_.squared_norm();
      if (context.clip_norm == ClipNorm::adapter)
        result.squared_norm = solver.adapter_squared_norm();
      return result;
    }

    void update(const PairStep<Scalar>& step) {
      const StepContext& context = step.context;
      energy_.set(step.pair, context.clip);
      const double beta2 = context.config->beta2;
      const double all = beta2 * energy_before_ +
                         (1 - beta2) * context.clip * context.clip * energy_.squared_norm();
      const Weights weights(shape_, beta2, context.step, all);
      PerSide<double> sums;
      step.team.both_sides([&](Side side, const Scratch<Scalar>& scratch) {
        sums[side] = accumulate(side, step, weights, scratch);
      });
      // The sum of Lh, which p is to be divided by.
      const double sum = sums.B / weights.correction + weights.least;
      set_steps(step, std::sqrt(sum) / (step.pair.scaling * step.pair.scaling));
      for (const Side side : kSides) {
        const Factor& factor = step.pair[side];
        const double scale = context.grad_scale * context.clip;
        descend_along(factor, steps_[side], step.team,
                      [&](const PanelAt& at, const Panel<const Scalar>&, Scalar* memory,
                          Scratch<Scalar> scratch) {
                        Wide* const w = scratch.wide.vector(kPanelWidth);
                        weights.of(exp_avg_sq_[side].data(), at, shape_.length(side), w);
                        for (Index j = 0; j < at.layout.width(at.panel); ++j) w[j] = scale / w[j];
                        return scaled_gradient(factor, at, w, memory,
                                               scratch.scalars.vector(panel_size(shape_.rank)));
                      });
      }
    }

   private:
    /// q, or p but for its divisor, from R or L.
    struct Weights {
      double correction, least, floor;

      /// \param all  the sum of L, and of R.
      Weights(const PairShape& shape, double beta2, std::int64_t step, double all)
          : correction(1 - std::pow(beta2, static_cast<double>(step))),
            least(kEps1 * static_cast<double>(shape.out_features) *
                  static_cast<double>(shape.in_features)),
            floor(kFloor * kFloor * all / correction) {}
      /// \param[out] out  of the positions of a panel.
      void of(const Scalar* energies, const PanelAt& at, Index length, Wide* out) const {
        const Scalar* const own = energies + at.panel * kPanelWidth;
        const auto positions = static_cast<double>(length);
        for (Index j = 0; j < at.layout.width(at.panel); ++j)
          out[j] =
              std::sqrt((std::max)(static_cast<double>(own[j]) / correction, floor / positions) +
                        least / positions);
      }
    };

    /// Whether the step does not overflow. A column of grad_A in the range of B^T is at most
    /// |s| ||B|| ||E_j||, and ||E_j|| at most q_j (1 - beta2)^-1/2; B^T p B is at least the smallest
    /// p times P, and what the gauge takes off is at most (q_max / q_min)^1/2 times hA.
    bool is_bounded(Side side, const PairStep<Scalar>& step) const {
      using detail::is_below;
      const PairSolver& solver = *step.solver;
      const Spectrum& spectrum = solver.spectra().of(other(side));
      const double smallest = spectrum.largest > 0 ? spectrum.largest / spectrum.conditioning() : 1;
      const auto length = static_cast<double>(shape_.length(side));
      const auto other_length = static_cast<double>(shape_.length(other(side)));
      const double h =
          std::sqrt(length / (1 - step.context.config->beta2)) * solver.factor_norm(other(side));
      const double d = h * std::sqrt(other_length) / kFloor / smallest /
                       std::abs(step.pair.scaling) * std::sqrt(std::sqrt(length) / kFloor);
      return is_below(2 * d, detail::step_limit<Scalar>(step.pair[side].lr)) &&
             is_below(solver.factor_norm(side), detail::step_limit<Scalar>(0));
    }

    /// L or R, and the weighted Gram matrix of the factor. \return the sum of L or R.
    double accumulate(Side side, const PairStep<Scalar>& step, const Weights& weights,
                      Scratch<Scalar> scratch) {
      const Factor& factor = step.pair[side];
      const WidePanels products(factor.value);
      const PanelLayout& layout = products.source();
      const Index size = panel_size(shape_.rank), positions = shape_.length(side);
      Scalar *const f_memory = scratch.scalars.vector(size),
                    *const g_memory = scratch.scalars.vector(size),
                    *const h_memory = scratch.scalars.vector(size),
                    *const part = scratch.scalars.vector(size),
                    *const energies = scratch.scalars.vector(kPanelWidth);
      Wide *const w = scratch.wide.vector(kPanelWidth),
                  *const of_f = scratch.wide.vector(WidePanels::size(shape_.rank)),
                  *const of_weighted = scratch.wide.vector(WidePanels::size(shape_.rank));
      const StepContext& context = step.context;
      const auto beta2 = static_cast<Scalar>(context.config->beta2);
      const auto rest2 = static_cast<Scalar>(1 - context.config->beta2);
      double sum = 0;
      set_zero(grams_[side]);
      for (Index panel = 0; panel < layout.count(); ++panel) {
        const PanelAt at{layout, panel};
        const Index width = layout.width(panel);
        const auto f = read_panel(factor.value, layout, panel, f_memory);
        // B^T E = grad_A / s, E A^T = grad_B / s.
        std::fill(w, w + width, context.grad_scale * context.clip / step.pair.scaling);
        const auto seen = scaled_gradient(factor, at, w, g_memory, h_memory);
        energy_[side].apply(at, f, seen, energies, part);
        Scalar* const average = exp_avg_sq_[side].data() + panel * kPanelWidth;
        for (Index j = 0; j < width; ++j) {
          average[j] = beta2 * average[j] + rest2 * energies[j];
          sum += static_cast<double>(average[j]);
        }
        weights.of(exp_avg_sq_[side].data(), at, positions, w);
        const auto left = products.convert(panel, f, of_f);
        const auto right = products.convert(panel, f, of_weighted);
        products.scale_positions(panel, w, of_weighted);
        products.add_products(panel, left, right, grams_[side]);
      }
      mirror(grams_[side]);
      return sum;
    }

    /// The panel of the gradient with position j times factors[j], in memory.
    Panel<const Scalar> scaled_gradient(const Factor& factor, const PanelAt& at,
                                        const Wide* factors, Scalar* memory,
                                        Scalar* scratch) const {
      const auto g = read_panel(factor.grad, at.layout, at.panel, scratch);
      const Panel<Scalar> out{memory, at.layout.stride()};
      const bool by_position = at.layout.position_major();
      for (Index i = 0; i < at.layout.rows(at.panel); ++i)
        for (Index k = 0; k < at.layout.row_length(at.panel); ++k)
          out.data[i * out.stride + k] = static_cast<Scalar>(
              static_cast<Wide>(g.data[i * g.stride + k]) * factors[by_position ? i : k]);
      return read_only(out);
    }

    /// With K = (B^T p B)^-1 and N = (A q A^T)^-1, p without its divisor:
    ///
    ///     dA = factor (K grad_A q^-1 - (1/2) K grad_A A^T N A)
    ///     dB^T = factor (N grad_B^T p^-1 - (1/2) N grad_B^T B K B^T)
    void set_steps(const PairStep<Scalar>& step, double factor) {
      PairSolver& solver = *step.solver;
      const double gradient = step.context.grad_scale * step.context.clip;
      double conditioning = 1;
      // Of finite factors, whose weights are bounded: finite.
      (void)weighted_.compute(grams_.A, grams_.B, step.pair.storage_eps(), step.wide());
      for (const Side side : kSides)
        conditioning = (std::max)(conditioning, shifted_inverse(weighted_.of(other(side)), 0,
                                                                inverses_[side], step.wide()));
      for (const Side side : kSides) {
        const OwnedCoefficients& out = coefficients_[side];
        Workspace scratch = step.wide();
        const Square product = scratch.square(shape_.rank);
        multiply(product, inverses_[side], solver.cross(side));
        multiply(out.on_factor, product, inverses_[other(side)]);
        scale(out.on_factor, -0.5 * factor * gradient);
        project(solver.spectra().of(other(side)), inverses_[side], out.on_grad, scratch);
        scale(out.on_grad, factor);
      }
      steps_.set_widely(step.pair, coefficients_, conditioning);
    }

    /// out = inverse V V^T of the directions that count: what a gradient has of the others is noise.
    static void project(const Spectrum& spectrum, ConstSquare inverse, Square out,
                        Workspace scratch) {
      const Index r = out.order();
      if (spectrum.rank == r) return copy(out, inverse);
      const Square projector = scratch.square(r);
      Wide* const kept = scratch.vector(r);
      for (Index i = 0; i < r; ++i) kept[i] = spectrum.counts(i) ? 1 : 0;
      from_eigenbasis(projector, spectrum.vectors, kept, scratch);
      multiply(out, inverse, projector);
    }

    PairShape shape_;
    PerSide<Buffer<Scalar>> exp_avg_sq_;  // R by A, L by B
    ExactEnergy<Scalar> energy_;
    SpectralPair weighted_;  // of A q A^T and B^T p B
    PairCombination<Scalar> steps_;
    Arena arena_;
    PerSide<Square> grams_, inverses_;
    PerSide<OwnedCoefficients> coefficients_;
    double energy_before_ = 0;  // the sum of L before the step
  };

  template <typename Scalar>
  using DenseState = ElementwiseDense<AdamWRule, Scalar>;
};

LORAPRO_NAMESPACE_END

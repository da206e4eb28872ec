// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/error.hpp>
#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/lora_pro_step.hpp>
#include <lorapro/optim/moving_bases.hpp>

#include <algorithm>  // std::clamp

LORAPRO_NAMESPACE_BEGIN

/// LoFT with AdamW: the moments that Adam would have of the gradients G P_A and P_B G, in the
/// coordinates of the factors, whose moves they follow. Both sides' moments see every gradient; one
/// factor moves in a step, B in the first, the third and so on, A in the others. For B, with
/// A = R U, U U^T = I (A likewise, from B^T):
///
///     y = (1 / s) grad_B R^-1 (m, r),  C = U_old U^T             y U = G P_A
///     M   <- beta1 M C + (1 - beta1) y
///     P_i <- beta2 C^T P_i C + (1 - beta2) y_i^T y_i             of each row, (r, r)
///     v_ij = U_j^T P_i U_j                                       the second moment of W
///     N = (M U / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
///     dB = (1 / s) N U^T R^-1
///
/// The paper has A in place of U, which is the same but for rounding: the terms of v would cancel as
/// far as A is ill-conditioned. U R comes from the eigenbasis of A A^T, R^-1 = Z^T. Of N there is a
/// tile at a time, in double, and each element is kept to what Adam's can be at most (Cauchy and
/// Schwarz), which only rounding exceeds. Where the rank is that of W itself, W moves as under AdamW.
/// W does not depend on how it is factorised, B = 0 included, and on s through s B alone. The factor
/// that rests does not decay; under DecayTarget::merged the other has the decay of both. Clipping
/// measures the gradients of both factors. Ranks above kMaxRank are refused: work and state grow with
/// the square.
/// State: exp_avg = M and the factors before, 2 (m + n) r; cross = P of every row of B and column of
/// A, (m + n) r^2; basis = Z of either side, 2 r^2.
/// \cost per pair 2 r^2 m n + 4 r^3 (m + n) + 15 r^2 (m + n) + 35 r^3 flops; no heap in a step.
/// \ref LoFT, arXiv:2505.21289, LoFT-AdamW. Its code transports P by C^T, adds 1e-6 and 1e-8 to the
///      Gram matrices, lets the second moments of B see an A that has moved already, and knows no s.
struct LoftRule : PairRule {
  static constexpr const char* kName = "loft";
  static constexpr bool kNeedsSpectra = true;
  static constexpr bool kMovesOneFactor = true;
  static constexpr Index kMaxRank = 32;

  template <typename Scalar>
  class PairState {
   public:
    /// \throws ConfigError (a rank above kMaxRank).
    explicit PairState(const PairShape& shape)
        : shape_(checked(shape)),
          exp_avg_(FactorState<Scalar>::of(shape)),
          cross_{Buffer<Scalar>(shape.in_features * square_size(shape.rank)),
                 Buffer<Scalar>(shape.out_features * square_size(shape.rank))},
          bases_(shape),
          gradient_(shape.rank),
          momentum_(shape.rank),
          arena_(6 * square_size(shape.rank)) {
      for (SideWork& side : work_) side = {arena_.square(shape.rank), arena_.square(shape.rank)};
      rest_ = arena_.square(shape.rank);
      zero_ = arena_.square(shape.rank);
      arena_.close();
    }
    template <typename Visitor>
    void visit(Visitor&& visitor) {
      visit_sides("exp_avg", exp_avg_, visitor);
      const Index size = square_size(shape_.rank);
      visitor("cross_A", StateTensor(cross_.A.data(), shape_.in_features, size));
      visitor("cross_B", StateTensor(cross_.B.data(), shape_.out_features, size));
      bases_.visit(visitor);
    }
    static RuleWorkspace workspace(const PairShape& shape) {
      const Index size = panel_size(shape.rank);
      return {4 * size,
              (std::max)({PairSolver::scratch_size(shape.rank),
                          MovingBases<Scalar>::scratch_size(shape.rank),
                          3 * size + 2 * square_size(shape.rank) + 2 * kPanelWidth + shape.rank}),
              0, shape.out_features * shape.in_features * shape.rank * shape.rank / 4};
    }
    static PerSide<bool> grad_grams(const StepContext&) { return {}; }

    Preparation prepare(const PairStep<Scalar>& step) {
      PairSolver& solver = *step.solver;
      const StepContext& context = step.context;
      const double beta1 = *context.config->beta1;
      Preparation result;
      result.report = solver.inspect(step.pair, context.grad_scale);
      if (!result.report.usable()) return result;
      bases_.compute(step.pair, solver.spectra(), step.team);
      for (Index i = 0; i < rest_.order(); ++i) rest_(i, i) = 1 - beta1;
      for (const Side side : kSides) {
        copy(work_[side].on_moment, bases_.K(side));
        scale(work_[side].on_moment, beta1);
      }
      conditioning_ =
          (std::max)(solver.spectra().P().conditioning(), solver.spectra().Q().conditioning());
      bool fits = set_gradient(step, 1);
      fits = momentum_.set(
                 step.pair,
                 PerSide<SideCoefficients>{{work_.A.on_moment, rest_}, {work_.B.on_moment, rest_}},
                 conditioning_) &&
             fits;
      for (const Side side : kSides) fits = is_bounded(side, step) && fits;
      if (!fits) result.report.status = AdjustStatus::overflow;
      if (context.clip_norm != ClipNorm::none) result.squared_norm = solver.adapter_squared_norm();
      return result;
    }

    void update(const PairStep<Scalar>& step) {
      // Of a smaller gradient, so as finite as what prepare has found.
      if (step.context.clip != 1) (void)set_gradient(step, step.context.clip);
      for (const Side side : kSides) average(side, step);
      bases_.keep(step.pair, step.team);
      const Side side = step.context.step % 2 == 1 ? Side::B : Side::A;
      const Factor& factor = step.pair[side];
      update_factor(factor, step.team,
                    [&](const PanelAt& at, const Panel<Scalar>& value, Scratch<Scalar> scratch) {
                      const Panel<Scalar> d{scratch.scalars.vector(panel_size(shape_.rank)),
                                            at.layout.stride()};
                      direction(side, at, step, d, scratch);
                      descend_panel(factor.decay, factor.lr, at, read_only(d), value);
                    });
    }

   private:
    /// What belongs to A, or to B^T.
    struct SideWork {
      Square on_moment;  // beta1 C^T
      Square on_grad;    // what makes y^T of the gradient
    };

    static const PairShape& checked(const PairShape& shape) {
      if (shape.rank > kMaxRank)
        throw ConfigError("rank: expected at most " + std::to_string(kMaxRank) + " for loft, got " +
                          std::to_string(shape.rank));
      return shape;
    }

    /// What N is at most: sum of w_k |g_k| against the root of the sum of u_k g_k^2.
    static double largest_direction(const OptimizerConfig& config, std::int64_t step) {
      const double b1 = *config.beta1, b2 = config.beta2, t = static_cast<double>(step);
      const double ratio = b1 * b1 / (std::max)(b2, 1e-300);
      const double series = ratio == 1 ? t : (1 - std::pow(ratio, t)) / (1 - ratio);
      const double first = (1 - b1) / (1 - std::pow(b1, t));
      return std::sqrt((std::min)(1e24, first * first * series * (1 - std::pow(b2, t)) / (1 - b2)));
    }

    bool set_gradient(const PairStep<Scalar>& step, double clip) {
      for (const Side side : kSides) {
        copy(work_[side].on_grad, bases_.Z(side));
        scale(work_[side].on_grad, step.context.grad_scale * clip / step.pair.scaling);
      }
      return gradient_.set(
          step.pair, PerSide<SideCoefficients>{{work_.A.on_grad, zero_}, {work_.B.on_grad, zero_}},
          conditioning_);
    }

    /// Whether moments and step fit the scalar.
    bool is_bounded(Side side, const PairStep<Scalar>& step) {
      using detail::is_below;
      const SideWork& work = work_[side];
      const PairSolver& solver = *step.solver;
      const auto max = static_cast<double>((std::numeric_limits<Scalar>::max)());
      const double y = norm(work.on_grad) * solver.grad_norm(side);
      const double moved = norm(bases_.K(side));
      const double moment =
          moved * std::sqrt(squared_norm_of(exp_avg_[side].view(), step.team)) + y;
      const double cross =
          moved * moved * static_cast<double>(shape_.rank) *
              detail::largest_magnitude(cross_[side].data(), cross_[side].size()).value() +
          y * y;
      const double direction = largest_direction(*step.context.config, step.context.step) *
                               std::sqrt(static_cast<double>(shape_.out_features) *
                                         static_cast<double>(shape_.in_features));
      const double move = norm(bases_.Z(side)) / std::abs(step.pair.scaling) * direction;
      return is_below(cross, max / 4) &&
             is_below((std::max)(moment, move), detail::step_limit<Scalar>(step.pair[side].lr)) &&
             is_below(solver.factor_norm(side), detail::step_limit<Scalar>(0));
    }

    /// The moments of one side.
    void average(Side side, const PairStep<Scalar>& step) {
      const Factor& factor = step.pair[side];
      const FactorView exp_avg = exp_avg_[side].view();
      const PanelLayout layout(factor.value);
      const Index r = shape_.rank, size = panel_size(r);
      const double beta2 = step.context.config->beta2;
      const ConstSquare T = bases_.K(side);
      step.team.parallel_ranges(layout.count(), [&](Index, Index first, Index last,
                                                    const Scratch<Scalar>& scratch) {
        for (Index panel = first; panel < last; ++panel) {
          Scratch<Scalar> own = scratch;
          const PanelAt at{layout, panel};
          const auto g = read_panel(factor.grad, layout, panel, own.scalars.vector(size));
          const Panel<Scalar> y{own.scalars.vector(size), layout.stride()},
              moment{own.scalars.vector(size), layout.stride()};
          const auto before = read_panel(exp_avg, layout, panel, own.scalars.vector(size));
          gradient_[side].apply(at, g, g, y, own.wide);
          momentum_[side].apply(at, read_only(y), before, moment, own.wide);
          write_panel(read_only(moment), exp_avg, layout, panel);
          const Square P = own.wide.square(r), T_P = own.wide.square(r);
          for (Index j = 0; j < layout.width(panel); ++j) {
            Scalar* const kept = cross_of(side, panel, j);
            convert(kept, P.size(), P.data());
            multiply(T_P, T, P);
            multiply(P, T_P, transposed(T));
            for (Index i = 0; i < r; ++i)
              for (Index k = 0; k < r; ++k)
                kept[i * r + k] =
                    static_cast<Scalar>(beta2 * P(i, k) + (1 - beta2) * element(layout, y, i, j) *
                                                              element(layout, y, k, j));
          }
        }
      });
    }

    /// A panel of dA or dB^T.
    void direction(Side side, const PanelAt& at, const PairStep<Scalar>& step,
                   const Panel<Scalar>& d, Scratch<Scalar> scratch) {
      const OptimizerConfig& config = *step.context.config;
      const auto t = static_cast<double>(step.context.step);
      const double first = 1 / (1 - std::pow(*config.beta1, t));
      const double second = 1 / (1 - std::pow(config.beta2, t));
      const Wide largest = largest_direction(config, step.context.step);
      const ConstSquare Z = bases_.Z(side);
      const Index r = shape_.rank, positions = at.layout.width(at.panel);
      const FactorView& fixed = step.pair[other(side)].value;
      const PanelLayout layout(fixed);
      const auto moment = read_panel(exp_avg_[side].view(), at.layout, at.panel,
                                     scratch.scalars.vector(panel_size(r)));
      Scalar* const memory = scratch.scalars.vector(panel_size(r));
      Wide *const u = scratch.wide.vector(panel_size(r)),
                  *const P_u = scratch.wide.vector(panel_size(r)),
                  *const sums = scratch.wide.vector(panel_size(r)),
                  *const m = scratch.wide.vector(r), *const v = scratch.wide.vector(kPanelWidth),
                  *const n = scratch.wide.vector(kPanelWidth);
      const Square P = scratch.wide.square(r);
      std::fill(sums, sums + positions * r, 0.0);
      for (Index panel = 0; panel < layout.count(); ++panel) {
        const auto values = read_panel(fixed, layout, panel, memory);
        const Index width = layout.width(panel);
        for (Index k = 0; k < r; ++k)
          for (Index j = 0; j < width; ++j)
            P_u[k * kPanelWidth + j] = element(layout, values, k, j);
        panel_product(Z.data(), r, Index{1}, r, r, P_u, kPanelWidth, width, u, kPanelWidth, false);
        for (Index i = 0; i < positions; ++i) {
          convert(cross_of(side, at.panel, i), P.size(), P.data());
          for (Index k = 0; k < r; ++k) m[k] = first * element(at.layout, moment, k, i);
          panel_product(P.data(), r, Index{1}, r, r, u, kPanelWidth, width, P_u, kPanelWidth,
                        false);
          panel_product(m, r, Index{1}, Index{1}, r, u, kPanelWidth, width, n, kPanelWidth, false);
          std::fill(v, v + width, 0.0);
          for (Index k = 0; k < r; ++k)
            for (Index j = 0; j < width; ++j)
              v[j] += u[k * kPanelWidth + j] * P_u[k * kPanelWidth + j];
          for (Index j = 0; j < width; ++j)
            n[j] = std::clamp(n[j] / (std::sqrt((std::max)(v[j], 0.0) * second) + config.eps),
                              -largest, largest);
          for (Index k = 0; k < r; ++k)
            sums[i * r + k] += detail::row_dot(n, u + k * kPanelWidth, width);
        }
      }
      // d = (1 / s) Z^T (sums).
      for (Index i = 0; i < positions; ++i) {
        std::fill(m, m + r, 0.0);
        for (Index k = 0; k < r; ++k) detail::row_add(sums[i * r + k], Z.row(k), m, r);
        for (Index k = 0; k < r; ++k)
          element(at.layout, d, k, i) = static_cast<Scalar>(m[k] / step.pair.scaling);
      }
    }

    /// P of position j of a panel.
    Scalar* cross_of(Side side, Index panel, Index j) {
      return cross_[side].data() + (panel * kPanelWidth + j) * square_size(shape_.rank);
    }

    /// Row k, position j of a panel.
    template <typename T>
    static T& element(const PanelLayout& layout, const Panel<T>& panel, Index k, Index j) {
      return layout.position_major() ? panel.data[j * panel.stride + k]
                                     : panel.data[k * panel.stride + j];
    }

    PairShape shape_;
    PerSide<FactorState<Scalar>> exp_avg_;
    PerSide<Buffer<Scalar>> cross_;
    MovingBases<Scalar> bases_;
    PairCombination<Scalar> gradient_, momentum_;
    Arena arena_;
    PerSide<SideWork> work_;
    Square rest_;
    Square zero_;  // stays so
    double conditioning_ = 1;
  };

  template <typename Scalar>
  using DenseState = ElementwiseDense<AdamWRule, Scalar>;
};

LORAPRO_NAMESPACE_END

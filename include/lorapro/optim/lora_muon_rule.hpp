// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/dense_muon.hpp>
#include <lorapro/optim/lora_pro_step.hpp>

LORAPRO_NAMESPACE_BEGIN

/// How LoraMuon decays: both factors by 1 - lr weight_decay before their steps, as everything here
/// does, or by its root k, with steps of lr / k,
///
///     B A <- k^2 B A - lr (B dA + dB A) + (lr / k)^2 dB dA
///
/// which leaves the step of W to first order as it is.
enum class MuonDecay { of_each_factor, split };

/// Muon on what a factor can do to W: the momentum of each factor's gradient becomes a step whose
/// move of W has equal singular values,
///
///     M_A = beta1 M_A + (1 - beta1) grad_A      dA = f P^-1/2 msign(P^-1/2 M_A),  P = B^T B
///     M_B = beta1 M_B + (1 - beta1) grad_B      dB = f msign(M_B Q^-1/2) Q^-1/2,  Q = A A^T
///
/// where msign is the orthogonal factor, without singular values below 1e-5 of the largest, which
/// are rounding noise. All singular values of s B dA and s dB A are |s| f. As
/// msign(X) = (X X^T)^-1/2 X, dA is an r x r matrix times M_A. W does not depend on how it is
/// factorised, B = 0 included, from where A stays in the first step. State (m + n) r; beta2 and eps
/// are those of dense parameters, which have AdamW.
/// \cost per pair 8 r^2 (m + n) + 50 r^3 flops; no heap.
/// \tparam kRateOfW  f = 1 / (2 |s|), so that the rate is that of W; or f = 1.
/// \ref LoRA-Muon, arXiv:2606.12921, algorithm 1 (f = 1 / (2 s), split decay), and iMuon,
///      arXiv:2605.09238 (f = 1, beta1 = 0), both without code. The first has Newton and Schulz's
///      iteration for msign, and may scale B up and A down, which does not change W.
template <bool kRateOfW, MuonDecay kDecay>
struct LoraMuon : PairRule {
  static constexpr bool kNeedsSpectra = true;

  /// Of the squares of singular values.
  static constexpr Wide kCutoff = 1e-10;

  template <typename Scalar>
  class PairState {
   public:
    explicit PairState(const PairShape& shape)
        : shape_(shape),
          exp_avg_(FactorState<Scalar>::of(shape)),
          steps_(shape.rank),
          arena_(7 * square_size(shape.rank) + 2 * work_size(shape.rank)) {
      for (SideWork& side : work_)
        side = {arena_.square(shape.rank), arena_.square(shape.rank), arena_.square(shape.rank),
                arena_.vector(work_size(shape.rank))};
      zero_ = arena_.square(shape.rank);
      arena_.close();
    }
    template <typename Visitor>
    void visit(Visitor&& visitor) {
      visit_sides("exp_avg", exp_avg_, visitor);
    }
    static RuleWorkspace workspace(const PairShape& shape) {
      return {4 * panel_size(shape.rank),
              (std::max)(PairSolver::scratch_size(shape.rank), WidePanels::size(shape.rank)), 0,
              (shape.out_features + shape.in_features) * shape.rank * shape.rank / 16};
    }
    static PerSide<bool> grad_grams(const StepContext&) { return {}; }

    Preparation prepare(const PairStep<Scalar>& step) {
      PairSolver& solver = *step.solver;
      Preparation result;
      result.report = solver.inspect(step.pair, step.context.grad_scale);
      if (!result.report.usable()) return result;
      bool fits = true;
      for (const Side side : kSides) {
        const Spectrum& spectrum = solver.spectra().of(other(side));
        const double lr = moving(step.pair[side]).lr;
        // All singular values of the step are at most the largest 1 / sqrt(l) times f.
        const double inverse =
            std::sqrt(spectrum.conditioning() / (spectrum.largest > 0 ? spectrum.largest : 1.0));
        const double move = factor(step.pair) * inverse * static_cast<double>(shape_.rank);
        fits = fits && detail::is_below(move, detail::step_limit<Scalar>(lr)) &&
               detail::is_below(solver.factor_norm(side), detail::step_limit<Scalar>(0)) &&
               // Then the momentum has a Gram matrix in the wide scalar.
               detail::is_below(solver.grad_norm(side) * step.context.grad_scale,
                                detail::largest_muon_gradient<Scalar>());
      }
      if (!fits) result.report.status = AdjustStatus::overflow;
      if (step.context.clip_norm != ClipNorm::none)
        result.squared_norm = solver.adapter_squared_norm();
      return result;
    }

    void update(const PairStep<Scalar>& step) {
      step.team.both_sides([&](Side side, const Scratch<Scalar>& scratch) {
        accumulate(side, step, scratch);
        orthogonalize(step.solver->spectra().of(other(side)), factor(step.pair), work_[side]);
      });
      const PerSide<SideCoefficients> steps{{work_.A.step, zero_}, {work_.B.step, zero_}};
      steps_.set_widely(step.pair, steps,
                        (std::max)(step.solver->spectra().P().conditioning(),
                                   step.solver->spectra().Q().conditioning()));
      for (const Side side : kSides) {
        descend_along(moving(step.pair[side]), steps_[side], step.team,
                      [&](const PanelAt& at, const Panel<const Scalar>&, Scalar* memory,
                          const Scratch<Scalar>&) {
                        return read_panel(exp_avg_[side].view(), at.layout, at.panel, memory);
                      });
      }
    }

   private:
    struct SideWork {
      Square gram;             // of the momentum, then what is scratch
      Square whiten;           // l^-1/2 V^T, of the other factor
      Square step;             // what makes dA or dB^T of the momentum
      Wide* memory = nullptr;  // work_size(rank)
    };
    static constexpr Index work_size(Index rank) {
      return 2 * square_size(rank) + rank + symmetric_eigen_scratch(rank);
    }

    static double factor(const Pair& pair) { return kRateOfW ? 0.5 / std::abs(pair.scaling) : 1.0; }

    /// The factor with the rate and decay of its step.
    static Factor moving(Factor factor) {
      if (kDecay == MuonDecay::split && factor.decay > 0) {
        factor.decay = std::sqrt(factor.decay);
        factor.lr /= factor.decay;
      }
      return factor;
    }

    /// Momentum and its Gram matrix.
    void accumulate(Side side, const PairStep<Scalar>& step, Scratch<Scalar> scratch) {
      const Factor& of = step.pair[side];
      const FactorView exp_avg = exp_avg_[side].view();
      const Square gram = work_[side].gram;
      const WidePanels products(of.value);
      const PanelLayout& layout = products.source();
      const double beta1 = *step.context.config->beta1;
      const double rest = (1 - beta1) * step.context.grad_scale * step.context.clip;
      Scalar *const g_memory = scratch.scalars.vector(panel_size(shape_.rank)),
                    *const m_memory = scratch.scalars.vector(panel_size(shape_.rank));
      Wide* const wide = scratch.wide.vector(WidePanels::size(shape_.rank));
      set_zero(gram);
      for (Index panel = 0; panel < layout.count(); ++panel) {
        const auto g = read_panel(of.grad, layout, panel, g_memory);
        const auto moment = edit_panel(exp_avg, layout, panel, m_memory);
        axpby_panel(rest, {layout, panel}, g, beta1, moment);
        write_panel(read_only(moment), exp_avg, layout, panel);
        products.add_gram(panel, products.convert(panel, read_only(moment), wide), gram);
      }
      mirror(gram);
    }

    /// f P^-1/2 (X X^T)^-1/2 P^-1/2 with X X^T = P^-1/2 M M^T P^-1/2.
    static void orthogonalize(const Spectrum& spectrum, double factor, const SideWork& work) {
      const Index r = work.gram.order();
      Workspace scratch(work.memory, work_size(r));
      const Square vectors = scratch.square(r), product = scratch.square(r);
      Wide* const values = scratch.vector(r);
      whitening(spectrum, work.whiten);
      multiply(product, work.whiten, work.gram);
      multiply(work.gram, product, transposed(work.whiten));
      symmetrize(work.gram);
      // Products of what is finite can overflow, in double alone: there is no direction then.
      if (!symmetric_eigen(work.gram.data(), r, values, vectors.data(),
                           scratch.vector(symmetric_eigen_scratch(r))))
        return set_zero(work.step);
      const Wide least = (std::max)(kCutoff * *std::max_element(values, values + r), 1e-300);
      for (Index i = 0; i < r; ++i) values[i] = values[i] > least ? 1 / std::sqrt(values[i]) : 0;
      // With Y = vectors whiten: Y^T values Y.
      multiply(product, vectors, work.whiten);
      for (Index i = 0; i < r; ++i) values[i] *= factor;
      scale_rows(work.gram, values, product);
      multiply(work.step, transposed(product), work.gram);
    }

    PairShape shape_;
    PerSide<FactorState<Scalar>> exp_avg_;
    PairCombination<Scalar> steps_;
    Arena arena_;
    PerSide<SideWork> work_;
    Square zero_;  // stays so
  };

  template <typename Scalar>
  using DenseState = ElementwiseDense<AdamWRule, Scalar>;
};

struct LoraMuonRule : LoraMuon<true, MuonDecay::of_each_factor> {
  static constexpr const char* kName = "lora_muon";
  static constexpr double kBeta1 = 0.95;
};
/// With the paper's decay; not with DecayTarget::merged, which takes the root itself.
struct LoraMuonSplitRule : LoraMuon<true, MuonDecay::split> {
  static constexpr const char* kName = "lora_muon_split";
  static constexpr double kBeta1 = 0.95;
};
struct ImuonRule : LoraMuon<false, MuonDecay::of_each_factor> {
  static constexpr const char* kName = "imuon";
  static constexpr double kBeta1 = 0;
};

LORAPRO_NAMESPACE_END

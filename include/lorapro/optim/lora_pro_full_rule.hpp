// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/full_moments_kernel.hpp>
#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/lora_pro_step.hpp>

#include <atomic>  // std::atomic
#include <memory>  // std::unique_ptr
#include <thread>  // std::this_thread::yield

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
/// \tparam Storage  Scalar, or bfloat16: exp_avg_sq is then rounded stochastically, so that it
///                  decays (round_stochastic says why), exp_avg to nearest.
/// \cost per pair 8 r m n + 14 m n + 13 r^2 (m + n) + r^2 n flops; one pass over the moments.
/// \ref arXiv:2407.18242v3, algorithm 2.
/// In plain Eigen: bench/naive/pro_rules.hpp.
template <typename Storage>
struct LoraPro<FullMoments<Storage>> : PairRule {
  static constexpr const char* kName = "lora_pro_full";
  static constexpr bool kNeedsSpectra = true;

  template <typename Scalar>
  class PairState {
    static_assert(std::is_same_v<Storage, Scalar> || std::is_same_v<Storage, bfloat16>,
                  "FullMoments: Storage must be the optimizer's Scalar or bfloat16");

   public:
    explicit PairState(const PairShape& shape)
        : shape_(shape),
          moments_(shape.out_features, shape.in_features),
          adjusted_(shape.rank),
          blocks_(shape.in_features),
          progress_(new std::atomic<Index>[static_cast<std::size_t>(blocks_.count())]) {}
    template <typename Visitor>
    void visit(Visitor&& visitor) {
      visitor("exp_avg", StateTensor(moments_, Moments::kExpAvg));
      visitor("exp_avg_sq", StateTensor(moments_, Moments::kExpAvgSq));
    }
    static RuleWorkspace workspace(const PairShape& shape) {
      return {(std::max)(4 * panel_size(shape.rank), full_moments_scratch_size<Scalar>(shape.rank)),
              PairSolver::scratch_size(shape.rank), Buffers::size(shape),
              shape.out_features * shape.in_features};
    }
    static PerSide<bool> grad_grams(const StepContext&) { return {}; }

    Preparation prepare(const PairStep<Scalar>& step) {
      const auto max = static_cast<double>((std::numeric_limits<Scalar>::max)());
      Preparation result = prepare_adjusted(step, max, adjusted_);
      if (!result.report.usable()) return result;
      // Half of the root: rounding exp_avg_sq up in bfloat16 must not reach infinity either.
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
      const FullMomentsConstants<Scalar> constants(*config.beta1, config.beta2, config.eps,
                                                   step.context.step);
      const Buffers buffers(step.team.shared().vector(Buffers::size(shape_)), shape_);

      solver.coefficients().scale(step.context.clip * s * constants.gradient_scale);
      (void)adjusted_.set(step.pair, solver.coefficients());
      step.team.both_sides([&](Side side, const Scratch<Scalar>& scratch) {
        pack(step.pair[side], side, buffers, scratch);
      });
      pass(constants, step.context.rounding_key, buffers, step.team);

      const AdjustOptions options = step.adjust_options();
      const Side fixed = options.fixed_factor();
      step.team.both_sides([&](Side side, const Scratch<Scalar>& scratch) {
        const Square gram = side == fixed ? solver.grad_gram(side) : Square{};
        multiply_back(step.pair[side].value, buffers.back(side), solver.cross(side), gram, scratch);
      });
      // What came back lacks s.
      const double direction_norm =
          (std::max)(constants.direction_scale *
                         solver.direction_norm(solver.grad_gram(fixed), 1.0, options, step.wide()),
                     detail::least_direction_norm(shape_));
      // largest_number has excluded an overflow.
      (void)solver.project(s, options, direction_norm, s * constants.direction_scale, step.wide());
      (void)adjusted_.set(step.pair, solver.coefficients());
      for (const Side side : kSides)
        descend_along(
            step.pair[side], adjusted_[side], step.team,
            [&](const PanelAt& at, const Panel<const Scalar>&, Scalar* memory,
                const Scratch<Scalar>&) { return buffers.back(side).unpack(at, memory); });
    }

   private:
    using Moments = MomentTiles<Scalar, Storage>;
    using Buffers = FullMomentsBuffers<Scalar>;

    /// Upper bound of the norms of the second adjusted gradient and of what the update holds in
    /// Scalar on the way: coefficients, s dA, s dB and the products with the direction.
    double largest_number(const PairStep<Scalar>& step,
                          const detail::SecondStepBound& bound) const {
      const OptimizerConfig& config = *step.context.config;
      const double direction = detail::adam_direction_bound(config) *
                               std::sqrt(static_cast<double>(shape_.out_features) *
                                         static_cast<double>(shape_.in_features));
      // The direction and the coefficients share direction_scale in a way of their own.
      const double scale =
          FullMomentsConstants<Scalar>(*config.beta1, config.beta2, config.eps, step.context.step)
              .direction_scale;
      const double scaling = (std::max)(1.0, std::abs(step.pair.scaling));
      double largest =
          (std::max)({2 * (std::max)(1.0, step.pair.largest_lr()) * bound.step(direction),
                      scaling * (std::max)(1.0, scale) * bound.inverse(),
                      bound.largest_factor() * direction * (std::max)(1.0, 1 / scale)});
      for (const Side side : kSides) {
        const SideCoefficients c = step.solver->coefficients()[side];
        largest = (std::max)({largest, scaling * step.solver->bound(side),
                              scaling * largest_element(c.on_grad),
                              scaling * largest_element(c.on_factor)});
      }
      return largest;
    }

    static double largest_element(ConstSquare a) {
      double largest = 0;
      for (Index i = 0; i < a.order(); ++i)
        for (Index k = 0; k < a.order(); ++k) largest = (std::max)(largest, std::abs(a(i, k)));
      return largest;
    }

    /// Packs a factor F and its step, s (1 - beta1) (on_grad g + on_factor F), for the pass.
    void pack(const Factor& factor, Side side, const Buffers& buffers,
              Scratch<Scalar> scratch) const {
      const PanelLayout layout(factor.value);
      const PackedFactor<Scalar> packed = buffers.packed(side);
      const Index size = panel_size(shape_.rank);
      Scalar *const f_memory = scratch.scalars.vector(size), *const g_memory =
                                                                 scratch.scalars.vector(size);
      const Panel<Scalar> d{scratch.scalars.vector(size), layout.stride()};
      packed.clear_last(factor.value.length);
      for (Index panel = 0; panel < layout.count(); ++panel) {
        const PanelAt at{layout, panel};
        const auto f = read_panel(factor.value, layout, panel, f_memory);
        const auto g = read_panel(factor.grad, layout, panel, g_memory);
        adjusted_[side].apply(at, f, g, d, scratch.wide);
        packed.pack(at, f, buffers.factor_row(side));
        packed.pack(at, read_only(d), buffers.step_row(side));
      }
    }

    /// cross = h F^T and, where there is a place for it, gram = h h^T in the wide scalar.
    static void multiply_back(const FactorView& factor, const PackedFactor<Scalar>& h, Square cross,
                              Square gram, Scratch<Scalar> scratch) {
      const WidePanels panels(factor);
      const Index size = WidePanels::size(factor.rank);
      Scalar* const h_memory = scratch.scalars.vector(panel_size(factor.rank));
      Wide *const wide_h = scratch.wide.vector(size), *const wide_f = scratch.wide.vector(size);
      set_zero(cross);
      if (gram) set_zero(gram);
      for (Index panel = 0; panel < panels.count(); ++panel) {
        const auto unpacked = h.unpack({panels.source(), panel}, h_memory);
        const auto left = panels.convert(panel, unpacked, wide_h);
        panels.add_products(panel, left, panels.read(factor, panel, wide_f), cross);
        if (gram) panels.add_gram(panel, left, gram);
      }
      if (gram) mirror(gram);
    }

    /// The pass over the moments. Blocks of columns run at the same time, each behind the one
    /// before it, so that hB is summed in their order.
    void pass(const FullMomentsConstants<Scalar>& constants, std::uint64_t rounding_key,
              const Buffers& buffers, const Team<Scalar>& team) {
      for (Index block = 0; block < blocks_.count(); ++block)
        progress_[static_cast<std::size_t>(block)].store(0, std::memory_order_relaxed);
      FullMomentsPass<Scalar, Storage> over_moments(constants, buffers, moments_, rounding_key);
      team.parallel(blocks_.count(), [&](Index block, Scratch<Scalar> scratch) {
        const auto wait_for_turn = [&](Index group) {
          if (block == 0) return;
          const auto& before = progress_[static_cast<std::size_t>(block - 1)];
          while (before.load(std::memory_order_acquire) <= group) std::this_thread::yield();
        };
        const auto finished = [&](Index group) {
          progress_[static_cast<std::size_t>(block)].store(group + 1, std::memory_order_release);
        };
        over_moments.run(blocks_.first_tile(block), blocks_.first_tile(block + 1),
                         scratch.scalars.vector(full_moments_scratch_size<Scalar>(shape_.rank)),
                         wait_for_turn, finished);
      });
    }

    PairShape shape_;
    Moments moments_;
    PairCombination<Scalar> adjusted_;  // dA and dB of the gradient, then of the direction
    FullMomentsBlocks<Scalar> blocks_;
    std::unique_ptr<std::atomic<Index>[]> progress_;  // groups of tiles that a block has finished
  };

  template <typename Scalar>
  using DenseState = ElementwiseDense<AdamWRule, Scalar>;
};

LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/dense_state.hpp>
#include <lorapro/optim/lora_pro_step.hpp>

LORAPRO_NAMESPACE_BEGIN

/// LoRA-Pro with stochastic gradient descent: A <- decay A - lr dA, B <- decay B - lr dB with the
/// adjusted gradients of AdjustCoefficients. No state between steps. Dense parameters: SGD.
/// \cost per pair 8 r^2 (m + n) + 38 r^3 flops.
/// \ref arXiv:2407.18242v3, algorithm 1.
template <>
struct LoraPro<NoMoments> {
  template <typename Scalar>
  struct PairState {
    PairState(Index /*out_features*/, Index /*in_features*/, Index rank)
        : solver(rank), combination(rank) {}
    template <typename Visitor>
    void visit(Visitor&&) {}
    static Index scratch_size(Index, Index, Index rank) { return 4 * rank * kPanelWidth; }
    static Index wide_scratch_size(Index rank) { return PairSolver::scratch_size(rank); }

    Preparation prepare(const Pair& pair, const StepContext& context,
                        const Scratch<Scalar>& scratch) {
      return detail::prepare_adjusted<Scalar>(
          pair, context, static_cast<double>(std::numeric_limits<Scalar>::max()), solver,
          combination, scratch.wide);
    }

    void update(const Pair& pair, const StepContext& context, const Scratch<Scalar>& scratch) {
      AdjustCoefficients& coefficients = solver.coefficients();
      coefficients.scale(context.clip);
      const auto nothing_more = [](Index, Scalar*) {};
      (void)combination.set_A(coefficients);
      detail::update_adjusted(pair.model.lora_A, pair.master_A, pair.model.grad_A, combination,
                              context, scratch, nothing_more);
      (void)combination.set_B(coefficients);
      detail::update_adjusted(pair.model.lora_B, pair.master_B, pair.model.grad_B, combination,
                              context, scratch, nothing_more);
    }

    PairSolver solver;
    FactorCombination<Scalar> combination;
  };

  template <typename Scalar>
  using DenseState = DenseSgdState<Scalar>;
};

LORAPRO_NAMESPACE_END

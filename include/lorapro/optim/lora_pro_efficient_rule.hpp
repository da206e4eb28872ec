// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/dense_state.hpp>
#include <lorapro/optim/lora_pro_step.hpp>

LORAPRO_NAMESPACE_BEGIN

/// LoRA-Pro AdamW, efficient: Adam moments of the adjusted gradients dA and dB, element by element.
/// State 2 (m + n) r, as plain LoRA. The element-wise normalisation gives up the optimality of the
/// adjusted gradient, and without damping an early spike of dA nearly freezes A for about
/// 1 / (1 - beta2) steps.
/// \cost per pair 8 r^2 (m + n) + 38 r^3 flops.
/// \ref arXiv:2407.18242v3, the efficient variant of algorithm 2.
template <>
struct LoraPro<AdapterMoments> {
  template <typename Scalar>
  struct PairState {
    PairState(Index out_features, Index in_features, Index rank)
        : solver(rank),
          combination(rank),
          exp_avg_A(rank * in_features),
          exp_avg_B(out_features * rank),
          exp_avg_sq_A(rank * in_features),
          exp_avg_sq_B(out_features * rank) {}
    template <typename Visitor>
    void visit(Visitor&& visitor) {
      const Index rank = solver.rank();
      const auto shape_A = [&](Buffer<Scalar>& buffer) {
        return StateTensor<Scalar>(buffer.data(), rank, buffer.size() / rank);
      };
      const auto shape_B = [&](Buffer<Scalar>& buffer) {
        return StateTensor<Scalar>(buffer.data(), buffer.size() / rank, rank);
      };
      visitor("exp_avg_A", shape_A(exp_avg_A));
      visitor("exp_avg_B", shape_B(exp_avg_B));
      visitor("exp_avg_sq_A", shape_A(exp_avg_sq_A));
      visitor("exp_avg_sq_B", shape_B(exp_avg_sq_B));
    }
    static Index scratch_size(Index, Index, Index rank) { return 6 * rank * kPanelWidth; }
    static Index wide_scratch_size(Index rank) { return PairSolver::scratch_size(rank); }

    Preparation prepare(const Pair& pair, const StepContext& context,
                        const Scratch<Scalar>& scratch) {
      return detail::prepare_adjusted<Scalar>(
          pair, context, std::sqrt(static_cast<double>(std::numeric_limits<Scalar>::max())),
          solver, combination, scratch.wide);
    }

    void update(const Pair& pair, const StepContext& context, const Scratch<Scalar>& scratch) {
      const OptimizerConfig& config = *context.config;
      const AdamConstants<Scalar> constants(config.beta1, config.beta2, config.eps, context.step);
      AdjustCoefficients& coefficients = solver.coefficients();
      coefficients.scale(context.clip);
      const auto adam = [&](const FactorView& exp_avg, const FactorView& exp_avg_sq) {
        return [&constants, &scratch, exp_avg, exp_avg_sq](Index panel, Scalar* d) {
          detail::adam_panel(constants, exp_avg, exp_avg_sq, panel, d,
                             scratch.scalars + 4 * exp_avg.rank * kPanelWidth);
        };
      };
      (void)combination.set_A(coefficients);
      detail::update_adjusted(pair.model.lora_A, pair.master_A, pair.model.grad_A, combination,
                              context, scratch,
                              adam(detail::state_of_A(exp_avg_A, pair.rank, pair.in_features),
                                   detail::state_of_A(exp_avg_sq_A, pair.rank, pair.in_features)));
      (void)combination.set_B(coefficients);
      detail::update_adjusted(
          pair.model.lora_B, pair.master_B, pair.model.grad_B, combination, context,
          scratch,
          adam(detail::state_of_B(exp_avg_B, pair.rank, pair.out_features),
               detail::state_of_B(exp_avg_sq_B, pair.rank, pair.out_features)));
    }

    PairSolver solver;
    FactorCombination<Scalar> combination;
    Buffer<Scalar> exp_avg_A, exp_avg_B, exp_avg_sq_A, exp_avg_sq_B;
  };

  template <typename Scalar>
  using DenseState = DenseAdamWState<Scalar>;
};

LORAPRO_NAMESPACE_END

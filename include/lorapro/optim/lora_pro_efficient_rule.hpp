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
/// \cost per pair 7 r^2 (m + n) + 38 r^3 flops.
/// \ref arXiv:2407.18242v3, the efficient variant of algorithm 2.
template <>
struct LoraPro<AdapterMoments> {
  static constexpr const char* kName = "LoraPro<AdapterMoments>";

  template <typename Scalar>
  struct PairState {
    PairState(Index out_features, Index in_features, Index rank)
        : adjusted(rank),
          exp_avg_A(rank * in_features),
          exp_avg_B(out_features * rank),
          exp_avg_sq_A(rank * in_features),
          exp_avg_sq_B(out_features * rank) {}
    template <typename Visitor>
    void visit(Visitor&& visitor) {
      const Index rank = adjusted.solver.rank();
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
    static Index scratch_size(Index rank) { return 6 * panel_size(rank); }
    static Index shared_scratch_size(Index, Index, Index) { return 0; }
    static Index work(Index out_features, Index in_features, Index rank) {
      return (out_features + in_features) * rank * rank / 16;
    }
    static Index wide_scratch_size(Index rank) { return PairSolver::scratch_size(rank); }

    PairSolver& measure(const Pair& pair, const StepContext& context, const Team<Scalar>& team) {
      return detail::measure_adjusted(pair, context, adjusted, team);
    }

    Preparation prepare(const Pair& pair, const StepContext& context, const Team<Scalar>& team) {
      return detail::prepare_adjusted<Scalar>(
          pair, context, detail::largest_adam_gradient<Scalar>(), adjusted, team);
    }

    void update(const Pair& pair, const StepContext& context, const Team<Scalar>& team) {
      adjusted.solver.coefficients().scale(context.clip);
      (void)adjusted.combine(pair);
      const auto constants_A = adam_constants<Scalar>(context, 1.0);
      const auto constants_B = adam_constants<Scalar>(context.of_B(), 1.0);
      const auto adamw = [](const AdamConstants<Scalar>& constants, const FactorView& exp_avg,
                            const FactorView& exp_avg_sq) {
        return [&constants, exp_avg, exp_avg_sq](
                   Index panel, const PanelLayout& layout, const Panel<const Scalar>& d,
                   const Panel<Scalar>& value, const Scratch<Scalar>& scratch) {
          detail::adamw_panel(constants, layout, panel, d, exp_avg, exp_avg_sq, value,
                              scratch.scalars + 4 * panel_size(layout.rank()));
        };
      };
      const Index r = pair.rank;
      detail::update_adjusted(pair.model.lora_A, pair.master_A, pair.model.grad_A,
                              adjusted.combination_A, team,
                              adamw(constants_A, detail::state_of_A(exp_avg_A, r, pair.in_features),
                                    detail::state_of_A(exp_avg_sq_A, r, pair.in_features)));
      detail::update_adjusted(
          pair.model.lora_B, pair.master_B, pair.model.grad_B, adjusted.combination_B, team,
          adamw(constants_B, detail::state_of_B(exp_avg_B, r, pair.out_features),
                detail::state_of_B(exp_avg_sq_B, r, pair.out_features)));
    }

    detail::AdjustedPair<Scalar> adjusted;
    Buffer<Scalar> exp_avg_A, exp_avg_B, exp_avg_sq_A, exp_avg_sq_B;
  };

  template <typename Scalar>
  using DenseState = DenseAdamWState<Scalar>;
};

LORAPRO_NAMESPACE_END

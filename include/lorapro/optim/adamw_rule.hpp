// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/dense_state.hpp>

LORAPRO_NAMESPACE_BEGIN

/// Plain LoRA with AdamW on each factor, the baseline; with dense parameters attached only, full
/// fine-tuning. State 2 (m + n) r. The moments live in the coordinates of A and B, so the step
/// depends on how W is factorised.
/// \ref Hu et al., arXiv:2106.09685v2; Loshchilov & Hutter, arXiv:1711.05101v3, algorithm 2.
struct AdamWRule {
  static constexpr const char* kName = "AdamWRule";

  template <typename Scalar>
  struct PairState {
    PairState(Index out_features, Index in_features, Index rank)
        : exp_avg_A(rank * in_features),
          exp_avg_B(out_features * rank),
          exp_avg_sq_A(rank * in_features),
          exp_avg_sq_B(out_features * rank),
          rank_(rank) {}
    template <typename Visitor>
    void visit(Visitor&& visitor) {
      const auto shape_A = [&](Buffer<Scalar>& buffer) {
        return StateTensor<Scalar>(buffer.data(), rank_, buffer.size() / rank_);
      };
      const auto shape_B = [&](Buffer<Scalar>& buffer) {
        return StateTensor<Scalar>(buffer.data(), buffer.size() / rank_, rank_);
      };
      visitor("exp_avg_A", shape_A(exp_avg_A));
      visitor("exp_avg_B", shape_B(exp_avg_B));
      visitor("exp_avg_sq_A", shape_A(exp_avg_sq_A));
      visitor("exp_avg_sq_B", shape_B(exp_avg_sq_B));
    }
    static Index scratch_size(Index rank) { return 4 * panel_size(rank); }
    static Index shared_scratch_size(Index, Index, Index) { return 0; }
    static Index work(Index out_features, Index in_features, Index rank) {
      return (out_features + in_features) * rank / 4;
    }
    static Index wide_scratch_size(Index rank) { return panel_size(rank); }

    Preparation prepare(const Pair& pair, const StepContext& context, const Team<Scalar>& team) {
      return detail::prepare_elements({pair.model.lora_A, pair.model.lora_B},
                                      {pair.model.grad_A, pair.model.grad_B},
                                      detail::largest_adam_gradient<Scalar>(), context, team);
    }

    void update(const Pair& pair, const StepContext& context, const Team<Scalar>& team) {
      detail::adamw_update(pair.model.lora_A, pair.master_A, pair.model.grad_A,
                           detail::state_of_A(exp_avg_A, rank_, pair.in_features),
                           detail::state_of_A(exp_avg_sq_A, rank_, pair.in_features), context,
                           team);
      detail::adamw_update(pair.model.lora_B, pair.master_B, pair.model.grad_B,
                           detail::state_of_B(exp_avg_B, rank_, pair.out_features),
                           detail::state_of_B(exp_avg_sq_B, rank_, pair.out_features),
                           context.of_B(), team);
    }

    Buffer<Scalar> exp_avg_A, exp_avg_B, exp_avg_sq_A, exp_avg_sq_B;

   private:
    Index rank_;
  };

  template <typename Scalar>
  using DenseState = DenseAdamWState<Scalar>;
};

LORAPRO_NAMESPACE_END

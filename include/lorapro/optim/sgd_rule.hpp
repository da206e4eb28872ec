// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/dense_state.hpp>

LORAPRO_NAMESPACE_BEGIN

/// Plain LoRA with stochastic gradient descent: A <- decay A - lr grad_A, B likewise. No state.
struct SgdRule {
  static constexpr const char* kName = "SgdRule";

  template <typename Scalar>
  struct PairState {
    PairState(Index /*out_features*/, Index /*in_features*/, Index /*rank*/) {}
    template <typename Visitor>
    void visit(Visitor&&) {}
    static Index scratch_size(Index rank) { return 2 * panel_size(rank); }
    static Index shared_scratch_size(Index, Index, Index) { return 0; }
    static Index work(Index out_features, Index in_features, Index rank) {
      return (out_features + in_features) * rank / 4;
    }
    static Index wide_scratch_size(Index rank) { return panel_size(rank); }

    Preparation prepare(const Pair& pair, const StepContext& context, const Team<Scalar>& team) {
      return detail::prepare_elements(
          {pair.model.lora_A, pair.model.lora_B}, {pair.model.grad_A, pair.model.grad_B},
          detail::step_limit<Scalar>(context.largest_lr()), context, team);
    }

    void update(const Pair& pair, const StepContext& context, const Team<Scalar>& team) {
      detail::sgd_update(pair.model.lora_A, pair.master_A, pair.model.grad_A, context, team);
      detail::sgd_update(pair.model.lora_B, pair.master_B, pair.model.grad_B, context.of_B(), team);
    }
  };

  template <typename Scalar>
  using DenseState = DenseSgdState<Scalar>;
};

LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/dense_state.hpp>

LORAPRO_NAMESPACE_BEGIN

/// Plain LoRA with stochastic gradient descent: A <- decay A - lr grad_A, B likewise. No state.
struct SgdRule {
  template <typename Scalar>
  struct PairState {
    PairState(Index /*out_features*/, Index /*in_features*/, Index /*rank*/) {}
    template <typename Visitor>
    void visit(Visitor&&) {}
    static Index scratch_size(Index, Index, Index rank) { return 2 * rank * kPanelWidth; }
    static Index wide_scratch_size(Index rank) { return rank * kPanelWidth; }

    Preparation prepare(const Pair& pair, const StepContext& context,
                        const Scratch<Scalar>& scratch) {
      return detail::prepare_elements({pair.model.lora_A, pair.model.lora_B},
                                      {pair.model.grad_A, pair.model.grad_B}, context.grad_scale,
                                      static_cast<double>(std::numeric_limits<Scalar>::max()),
                                      context.clip_norm, scratch.wide);
    }

    void update(const Pair& pair, const StepContext& context, const Scratch<Scalar>& scratch) {
      update_factor(pair.model.lora_A, pair.master_A, pair.model.grad_A, context, scratch);
      update_factor(pair.model.lora_B, pair.master_B, pair.model.grad_B, context, scratch);
    }

   private:
    static void update_factor(const FactorView& model, const FactorView& master,
                              const FactorView& grad, const StepContext& context,
                              const Scratch<Scalar>& scratch) {
      const auto scale = static_cast<Scalar>(context.grad_scale * context.clip);
      detail::update_parameter(model, master, context.decay, context.lr, scratch.scalars,
                               [&](Index panel, Index, Scalar* d) {
                                 load_panel(grad, panel, d);
                                 for (Index i = 0; i < model.rank * kPanelWidth; ++i)
                                   d[i] *= scale;
                               });
    }
  };

  template <typename Scalar>
  using DenseState = DenseSgdState<Scalar>;
};

LORAPRO_NAMESPACE_END

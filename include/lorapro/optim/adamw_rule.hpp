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
    static Index scratch_size(Index, Index, Index rank) { return 4 * rank * kPanelWidth; }
    static Index wide_scratch_size(Index rank) { return rank * kPanelWidth; }

    Preparation prepare(const Pair& pair, const StepContext& context,
                        const Scratch<Scalar>& scratch) {
      return detail::prepare_elements(
          {pair.model.lora_A, pair.model.lora_B}, {pair.model.grad_A, pair.model.grad_B},
          context.grad_scale, std::sqrt(static_cast<double>(std::numeric_limits<Scalar>::max())),
          context.clip_norm, scratch.wide);
    }

    void update(const Pair& pair, const StepContext& context, const Scratch<Scalar>& scratch) {
      update_factor(pair.model.lora_A, pair.master_A, pair.model.grad_A,
                    detail::state_of_A(exp_avg_A, rank_, pair.in_features),
                    detail::state_of_A(exp_avg_sq_A, rank_, pair.in_features), context, scratch);
      update_factor(pair.model.lora_B, pair.master_B, pair.model.grad_B,
                    detail::state_of_B(exp_avg_B, rank_, pair.out_features),
                    detail::state_of_B(exp_avg_sq_B, rank_, pair.out_features), context, scratch);
    }

    Buffer<Scalar> exp_avg_A, exp_avg_B, exp_avg_sq_A, exp_avg_sq_B;

   private:
    static void update_factor(const FactorView& model, const FactorView& master,
                              const FactorView& grad, const FactorView& exp_avg,
                              const FactorView& exp_avg_sq, const StepContext& context,
                              const Scratch<Scalar>& scratch) {
      const auto scale = static_cast<Scalar>(context.grad_scale * context.clip);
      const OptimizerConfig& config = *context.config;
      const AdamConstants<Scalar> constants(config.beta1, config.beta2, config.eps, context.step);
      const Index size = model.rank * kPanelWidth;
      detail::update_parameter(
          model, master, context.decay, context.lr, scratch.scalars,
          [&](Index panel, Index, Scalar* d) {
            load_panel(grad, panel, d);
            for (Index i = 0; i < size; ++i) d[i] *= scale;
            detail::adam_panel(constants, exp_avg, exp_avg_sq, panel, d,
                               scratch.scalars + 2 * size);
          });
    }

    Index rank_;
  };

  template <typename Scalar>
  using DenseState = DenseAdamWState<Scalar>;
};

LORAPRO_NAMESPACE_END

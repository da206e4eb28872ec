// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/adjust_options.hpp>
#include <lorapro/optim/lr_schedule.hpp>

#include <optional>  // std::optional

LORAPRO_NAMESPACE_BEGIN

/// What weight decay shrinks.
enum class DecayTarget {
  adapter,  ///< A and B by (1 - lr weight_decay) each; W0 stays frozen
  /// W0 by (1 - lr weight_decay), A and B by its square root, or the one of them that a rule moves in
  /// this step by all of it, so that W = W0 + s B A shrinks by exactly (1 - lr weight_decay). Writes
  /// W0: sole, writable, float or double.
  merged
};

/// Which norm clipping measures, over all pairs and dense parameters of a group.
enum class ClipNorm {
  none,
  equivalent_gradient,  ///< ||E||_F, the gradient that W sees; raw gradients for plain rules
  adapter               ///< the norm of (grad_A, grad_B), as clip_grad_norm_ in PyTorch
};

/// Options of a parameter group.
struct GroupConfig {
  /// Base learning rate eta, multiplied by the schedule; >= 0. For full, factored and spectral
  /// moments it has the units of full fine-tuning.
  double lr = 1e-3;
  /// Learning rate of lora_B over that of lora_A, which has lr (LoRA+, which takes about 16 for
  /// AdamW: Hayou et al., arXiv:2402.12354v1); > 0. Dense parameters have lr. With any other ratio
  /// than 1 a LoRA-Pro step is no longer a step along the equivalent gradient.
  double loraplus_lr_ratio = 1.0;
  /// lambda: decay per step is lr weight_decay, decoupled from the gradient; >= 0.
  double weight_decay = 0.0;
  DecayTarget decay_target = DecayTarget::adapter;
  ClipNorm clip_norm = ClipNorm::none;
  /// Gradients are scaled down to this norm, before the moments; > 0.
  double max_grad_norm = 1.0;

  /// Whether a step shrinks W0 itself.
  bool decays_base() const { return decay_target == DecayTarget::merged && weight_decay != 0; }

  /// \throws ConfigError that names the field, what was expected and what came.
  void validate() const {
    checks::config(lr >= 0 && is_finite(lr), "lr", "a finite number >= 0", lr);
    checks::config(loraplus_lr_ratio > 0 && is_finite(loraplus_lr_ratio), "loraplus_lr_ratio",
                   "a finite number > 0", loraplus_lr_ratio);
    checks::config(weight_decay >= 0 && is_finite(weight_decay), "weight_decay",
                   "a finite number >= 0", weight_decay);
    checks::config(max_grad_norm > 0 && is_finite(max_grad_norm), "max_grad_norm",
                   "a finite number > 0", max_grad_norm);
  }
};

/// Options of an optimizer: one struct for every rule, so that a comparison changes one type.
struct OptimizerConfig {
  GroupConfig group;  ///< of group 0, which parameters join by default
  /// Decay of exp_avg; in [0, 1). Unset: the rule's own, 0.9, or 0.95 for spectral moments, Muon and
  /// LoRA-Muon, and 0 for iMuon.
  std::optional<double> beta1;
  double beta2 = 0.999;  ///< decay of exp_avg_sq; in [0, 1)
  double eps = 1e-8;     ///< added to the root of the second moment; >= 1e-30
  /// rho of AdjustOptions: relative damping, the same for every alpha, rank and rate; 0 is the
  /// exact projection, with which the first steps after B = 0 move A by O(1) whatever the rate.
  /// LoRA-Pro rules, and the rules of ScaledRule and AltLora, which say what it is there.
  double damping = 0.1;
  /// kappa: in one step the fixed factor, A unless it started from zero (AdjustOptions::free_factor), moves by at
  /// most this part of itself; > 0. Unset: the rule's own, 0.05, or 0.1 for spectral moments and
  /// 0.2 for AltLoRA. Plays no part where damping is 0. LoRA-Pro rules and AltLoRA; proven for all but adapter
  /// moments, which normalise what it bounds.
  std::optional<double> max_relative_move;
  Gauge gauge = Gauge::sylvester;  ///< LoRA-Pro rules only
  LrSchedule schedule = LrSchedule::constant();
  std::uint64_t seed = 0;  ///< of stochastic rounding (bfloat16 second moments)
  /// OpenMP threads over pairs; 0: as many as OpenMP has. Does not change the results. 1 without
  /// OpenMP.
  int threads = 0;

  /// With what a rule decides where the user has not: RuleDefaults.
  OptimizerConfig with_defaults(double rule_beta1, double rule_max_relative_move) const {
    OptimizerConfig config = *this;
    if (!config.beta1) config.beta1 = rule_beta1;
    if (!config.max_relative_move) config.max_relative_move = rule_max_relative_move;
    return config;
  }

  /// Those of a projection that bounds no move.
  AdjustOptions adjust_options() const {
    AdjustOptions options;
    options.damping = damping;
    options.gauge = gauge;
    options.max_relative_move = max_relative_move.value_or(options.max_relative_move);
    return options;
  }

  /// The algorithm as published, without what this library adds to it: the exact projection, the
  /// gauge of theorem 2.3. With LoraPro<FullMoments<T>> it is the paper's AdamW, with
  /// LoraPro<AdapterMoments> its memory-efficient variant, with LoraPro<NoMoments> its algorithm 1.
  /// From B = 0 its second step moves A by O(1) whatever the learning rate: see damping.
  /// \ref arXiv:2407.18242v3, theorems 2.1 and 2.3, algorithms 1 and 2.
  static OptimizerConfig paper_exact() {
    OptimizerConfig config;
    config.damping = 0;
    config.gauge = Gauge::sylvester;
    return config;
  }

  /// \throws ConfigError that names the field, what was expected and what came.
  void validate() const {
    group.validate();
    if (beta1)
      checks::config(is_finite(*beta1) && *beta1 >= 0 && *beta1 < 1, "beta1", "a number in [0, 1)",
                     *beta1);
    checks::config(is_finite(beta2) && beta2 >= 0 && beta2 < 1, "beta2", "a number in [0, 1)",
                   beta2);
    // Smaller ones would vanish in float, and 0 / 0 is not a direction.
    checks::config(eps >= 1e-30 && is_finite(eps), "eps", "a finite number >= 1e-30", eps);
    adjust_options().validate();
    checks::config(threads >= 0, "threads", "a number >= 0", threads);
  }
};

LORAPRO_NAMESPACE_END

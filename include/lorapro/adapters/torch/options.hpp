// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/rules.hpp>

#include <torch/optim/optimizer.h>  // torch::optim::OptimizerCloneableOptions
#include <torch/optim/serialize.h>  // torch::serialize archives

#include <algorithm>    // std::max
#include <optional>     // std::optional
#include <string>       // std::string
#include <type_traits>  // std::is_const_v, std::is_same_v

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {

/// How a step is computed.
enum class StepPath {
  automatic,  ///< mapped where a tensor can be, by tensor operations elsewhere
  tensor      ///< by tensor operations everywhere, on the device of the tensors
};

/// Options of LoraProOptimizer and of each of its parameter groups, in libtorch's manner, with the
/// names and defaults of OptimizerConfig and GroupConfig:
///
/// \code
/// LoraProOptions(1e-3).weight_decay(0.01).rule("lora_pro_full")
/// \endcode
struct LoraProOptions : torch::optim::OptimizerCloneableOptions<LoraProOptions> {
  // NOLINTNEXTLINE(google-explicit-constructor): a rate alone is options, as in libtorch.
  LoraProOptions(double rate = lorapro::GroupConfig().lr) : lr_(rate) {}

  using OptionalDouble = std::optional<double>;
  /// The rule by its name, one of rule_names(). Stays what it was when the group was added.
  TORCH_ARG(std::string, rule) = lorapro::rule_names().front();
  /// Learning rate; read at every step, so that schedulers may set it.
  TORCH_ARG(double, lr) = lorapro::GroupConfig().lr;
  /// Unset: the rule's own.
  TORCH_ARG(OptionalDouble, beta1);
  TORCH_ARG(double, beta2) = lorapro::OptimizerConfig().beta2;
  TORCH_ARG(double, eps) = lorapro::OptimizerConfig().eps;
  /// Decoupled decay of A, B and of parameters without factors, lr weight_decay per step. Unlike
  /// torch::optim::AdamW's it is off by default.
  TORCH_ARG(double, weight_decay) = lorapro::GroupConfig().weight_decay;
  /// Rate of lora_B over that of lora_A (LoRA+).
  TORCH_ARG(double, loraplus_lr_ratio) = lorapro::GroupConfig().loraplus_lr_ratio;
  TORCH_ARG(lorapro::Gauge, gauge) = lorapro::OptimizerConfig().gauge;
  /// rho of OptimizerConfig::damping; 0 is the paper's projection.
  TORCH_ARG(double, damping) = lorapro::OptimizerConfig().damping;
  /// kappa of OptimizerConfig::max_relative_move; unset: the rule's own.
  TORCH_ARG(OptionalDouble, max_relative_move);
  /// Gradients are scaled down to this norm over the group, before the moments; 0: they are not.
  TORCH_ARG(double, max_grad_norm) = 0.0;
  /// The norm that max_grad_norm bounds; none counts as equivalent_gradient.
  TORCH_ARG(lorapro::ClipNorm, clip_norm) = lorapro::ClipNorm::equivalent_gradient;
  /// alpha / rank of pairs that are found by name in modules that do not tell it (ScaledAdapter);
  /// 0: such a pair is an error.
  TORCH_ARG(double, scaling) = 0.0;
  TORCH_ARG(StepPath, path) = StepPath::automatic;
  /// Threads of the mapped path, which takes OpenMP; 0: torch::get_num_threads() of the first step.
  /// Does not change the results.
  TORCH_ARG(int, threads) = 0;

 public:
  double get_lr() const override { return lr(); }
  void set_lr(const double rate) override { lr(rate); }

  /// The same in the library's terms, without the threads.
  lorapro::OptimizerConfig config() const {
    lorapro::OptimizerConfig config;
    config.group.lr = lr();
    config.group.weight_decay = weight_decay();
    config.group.loraplus_lr_ratio = loraplus_lr_ratio();
    if (max_grad_norm() > 0) {
      config.group.max_grad_norm = max_grad_norm();
      config.group.clip_norm = clip_norm() == lorapro::ClipNorm::adapter
                                   ? lorapro::ClipNorm::adapter
                                   : lorapro::ClipNorm::equivalent_gradient;
    }
    config.beta1 = beta1();
    config.beta2 = beta2();
    config.eps = eps();
    config.damping = damping();
    config.max_relative_move = max_relative_move();
    config.gauge = gauge();
    return config;
  }

  /// \throws ConfigError that names the option, what was expected and what came.
  void validate() const {
    visit_rule<float>(rule(), [](auto) {});
    config().validate();
    checks::config(max_grad_norm() >= 0 && is_finite(max_grad_norm()), "max_grad_norm",
                   "a finite number >= 0", max_grad_norm());
    checks::config(is_finite(scaling()), "scaling", "a finite number", scaling());
    checks::config(threads() >= 0, "threads", "a number >= 0", threads());
    const double decay = lr() * weight_decay() * (std::max)(1.0, loraplus_lr_ratio());
    checks::config(decay <= 1, "weight_decay", "lr * weight_decay <= 1", decay);
  }

  void serialize(torch::serialize::OutputArchive& archive) const override {
    visit(*this, [&](const char* name, const auto& value) {
      if constexpr (std::is_same_v<std::decay_t<decltype(value)>, OptionalDouble>) {
        if (value) archive.write(name, torch::IValue(*value));
      } else {
        archive.write(name, torch::IValue(value));
      }
    });
  }
  /// What a run is by: everything but path and threads, which belong to the machine.
  void serialize(torch::serialize::InputArchive& archive) override {
    visit(*this, [&](const char* name, auto& value) {
      using Value = std::decay_t<decltype(value)>;
      torch::IValue stored;
      if constexpr (std::is_same_v<Value, OptionalDouble>) {
        value = archive.try_read(name, stored) ? OptionalDouble(stored.toDouble()) : std::nullopt;
      } else {
        archive.read(name, stored);
        value = stored.to<Value>();
      }
    });
  }

 private:
  /// Calls f(name, value) for what is stored: a string, doubles, which may be unset, int64_t.
  template <typename Options, typename F>
  static void visit(Options& options, const F& f) {
    f("rule", options.rule_);
    f("lr", options.lr_);
    f("beta1", options.beta1_);
    f("beta2", options.beta2_);
    f("eps", options.eps_);
    f("weight_decay", options.weight_decay_);
    f("loraplus_lr_ratio", options.loraplus_lr_ratio_);
    f("damping", options.damping_);
    f("max_relative_move", options.max_relative_move_);
    f("max_grad_norm", options.max_grad_norm_);
    f("scaling", options.scaling_);
    with_number("gauge", options.gauge_, f);
    with_number("clip_norm", options.clip_norm_, f);
  }

  /// f(name, value) with an enumerator as a number. \throws ConfigError if what comes back is none.
  template <typename Enum, typename F>
  static void with_number(const char* name, Enum& value, const F& f) {
    auto number = static_cast<std::int64_t>(value);
    f(name, number);
    checks::config(number >= 0 && number <= 2, name, "the number of one of three choices", number);
    if constexpr (!std::is_const_v<Enum>) value = static_cast<Enum>(number);
  }
};

}  // namespace torch_adapter
LORAPRO_NAMESPACE_END

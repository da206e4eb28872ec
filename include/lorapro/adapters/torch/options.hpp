// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/optimizer_config.hpp>

#include <torch/optim/optimizer.h>  // torch::optim::OptimizerCloneableOptions
#include <torch/optim/serialize.h>  // torch::serialize archives

#include <algorithm>    // std::max
#include <string>       // std::string
#include <string_view>  // std::string_view
#include <tuple>        // std::tie, std::tuple
#include <utility>      // std::move

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {

/// Where LoraProAdamW keeps its moments: which rule of the library it is.
enum class Moments {
  full,     ///< FullMoments: of the equivalent gradient, state 2 m n
  adapter,  ///< AdapterMoments, the paper's efficient variant: state 2 (m + n) r
  spectral  ///< SpectralMoments: state (m + n) r; betas of (0.95, ...) are recommended
};

/// How a step is computed.
enum class StepPath {
  automatic,  ///< mapped where a tensor can be, by tensor operations elsewhere
  tensor      ///< by tensor operations everywhere, on the device of the tensors
};

/// Options of LoraProAdamW and of each of its parameter groups, in libtorch's manner:
///
/// \code
/// LoraProAdamWOptions(1e-3).weight_decay(0.01).moments(Moments::spectral).betas({0.95, 0.999})
/// \endcode
struct LoraProAdamWOptions : torch::optim::OptimizerCloneableOptions<LoraProAdamWOptions> {
  // NOLINTNEXTLINE(google-explicit-constructor): a rate alone is options, as in libtorch.
  LoraProAdamWOptions(double rate = 1e-3) : lr_(rate) {}

  using betas_t = std::tuple<double, double>;
  /// Learning rate; for full moments in the units of full fine-tuning. Read at every step, so that
  /// schedulers may set it.
  TORCH_ARG(double, lr) = 1e-3;
  TORCH_ARG(betas_t, betas) = std::make_tuple(0.9, 0.999);
  TORCH_ARG(double, eps) = 1e-8;
  /// Decoupled decay of A, B and of parameters without factors, lr weight_decay per step. Unlike
  /// torch::optim::AdamW's it is off by default.
  TORCH_ARG(double, weight_decay) = 0.0;
  /// Rate of lora_B over that of lora_A (LoRA+).
  TORCH_ARG(double, loraplus_lr_ratio) = 1.0;
  TORCH_ARG(lorapro::Gauge, gauge) = lorapro::Gauge::sylvester;
  /// rho of OptimizerConfig::damping; 0 is the paper's projection.
  TORCH_ARG(double, damping) = 0.1;
  /// kappa of OptimizerConfig::max_relative_move; 0: the moments' own.
  TORCH_ARG(double, max_relative_move) = 0.0;
  TORCH_ARG(Moments, moments) = Moments::full;
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
    std::tie(config.beta1, config.beta2) = betas();
    config.eps = eps();
    config.damping = damping();
    if (max_relative_move() != 0) config.max_relative_move = max_relative_move();
    config.gauge = gauge();
    return config;
  }

  /// \throws ConfigError that names the option, what was expected and what came.
  void validate() const {
    config().validate();
    checks::config(max_grad_norm() >= 0 && is_finite(max_grad_norm()), "max_grad_norm",
                   "a finite number >= 0", max_grad_norm());
    checks::config(is_finite(scaling()), "scaling", "a finite number", scaling());
    checks::config(threads() >= 0, "threads", "a number >= 0", threads());
    const double decay = lr() * weight_decay() * (std::max)(1.0, loraplus_lr_ratio());
    checks::config(decay <= 1, "weight_decay", "lr * weight_decay <= 1", decay);
  }

  void serialize(torch::serialize::OutputArchive& archive) const override {
    visit(*this, [&](const char* name, auto value) { archive.write(name, torch::IValue(value)); });
  }
  /// What a run is by: everything but path and threads, which belong to the machine.
  void serialize(torch::serialize::InputArchive& archive) override {
    visit(*this, [&](const char* name, auto& value) {
      torch::IValue stored;
      // Archives of before it was an option lack it.
      const bool may_lack = std::string_view(name) == "max_relative_move";
      if (may_lack && !archive.try_read(name, stored)) return;
      if (!may_lack) archive.read(name, stored);
      value = stored.to<std::decay_t<decltype(value)>>();
    });
  }

 private:
  /// Calls f(name, value) for what is stored, value a double or an int64_t.
  template <typename Options, typename F>
  static void visit(Options& options, const F& f) {
    f("lr", options.lr_);
    f("eps", options.eps_);
    f("weight_decay", options.weight_decay_);
    f("loraplus_lr_ratio", options.loraplus_lr_ratio_);
    f("damping", options.damping_);
    f("max_relative_move", options.max_relative_move_);
    f("max_grad_norm", options.max_grad_norm_);
    f("scaling", options.scaling_);
    f("beta1", std::get<0>(options.betas_));
    f("beta2", std::get<1>(options.betas_));
    with_number("gauge", options.gauge_, f);
    with_number("moments", options.moments_, f);
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

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/lorapro.hpp>
#include <CLI/CLI.hpp>
#include <algorithm>  // std::find
#include <array>
#include <cmath>  // std::isfinite
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cache.hpp"
#include "method.hpp"
#include "run.hpp"
#include "run_checkpoint.hpp"

namespace examples {

/// A bad value on the command line; the message is one line.
using UsageError = CLI::ValidationError;

/// What to run each method with: usually one value, several to compare them.
using ValuesOfMethods = std::map<Method, std::vector<double>>;
using LearningRates = ValuesOfMethods;

inline constexpr double kDefaultAlpha = 16.0;

/// The same for every method.
ValuesOfMethods for_all_methods(const std::vector<double>& values);

/// What every example lets its user choose. An example sets its own defaults before it adds them to
/// its command line.
struct RunOptions {
  std::vector<Method> methods{Method::lora_adamw, Method::lora_pro_spectral, Method::lora_pro_full,
                              Method::full_adamw};
  LearningRates learning_rates;
  lorapro::Index rank = 8;
  ValuesOfMethods alphas = for_all_methods({kDefaultAlpha});
  bool use_rslora = false;
  std::map<Method, double> dampings;        // of the lora_pro methods
  std::optional<double> final_damping;      // of the last step; unset: that of the first
  std::optional<double> max_relative_move;  // of the lora_pro methods; unset: the rule's own
  lorapro::Gauge gauge = lorapro::Gauge::sylvester;
  lorapro::LoraInit init = lorapro::LoraInit::kaiming_uniform;
  bool align_init = false;                  // AlignedRestart
  std::int64_t refresh_every = 0;           // steps; 0 for never
  std::optional<double> loraplus_lr_ratio;  // of all methods that train adapters
  double weight_decay = 0.0;
  int epochs = 1;
  lorapro::Index train_size = 1000;
  int seeds = 3;
  std::uint64_t first_seed = 0;
  int threads = 1;
  std::filesystem::path output;
  std::filesystem::path cache;
  bool fresh = false;
  bool measure_steps = false;
  bool value_only = false;
  CheckpointOptions checkpoint;

  /// Of the training under way.
  RunCheckpoint run_checkpoint() const {
    CheckpointOptions options = checkpoint;
    if (options.file.empty()) options.file = output / "run.checkpoint";
    return RunCheckpoint(options);
  }

  /// "one seed", "mean of 3 seeds"
  std::string seeds_text() const {
    return seeds == 1 ? "one seed" : fmt::format("mean of {} seeds", seeds);
  }

  /// The values of alpha to run `method` with; one that is none for a method without adapters.
  std::vector<std::optional<double>> alphas_of(Method method) const {
    if (!info(method).trains_adapters) return {std::nullopt};
    const auto& values = alphas.at(method);
    return {values.begin(), values.end()};
  }

  bool scales_by_root_of_rank(Method method) const {
    return use_rslora || method == Method::rslora_adamw;
  }

  /// What `method` is damped by; the library's default where nothing else was said.
  double damping(Method method) const {
    const auto found = dampings.find(method);
    return found == dampings.end() ? lorapro::OptimizerConfig().damping : found->second;
  }

  /// Between the first step (part 0) and the last one (1).
  double damping(Method method, double part) const {
    const double first = damping(method);
    return first + part * (final_damping.value_or(first) - first);
  }

  /// The largest move of the fixed factor in a step of `method`.
  double relative_move(Method method) const {
    return max_relative_move.value_or(
        method == Method::lora_pro_spectral
            ? lorapro::LoraPro<lorapro::SpectralMoments>::kMaxRelativeMove
            : lorapro::AdjustOptions().max_relative_move);
  }

  /// The rate of B over that of A: 16 for LoRA+, as in its paper, if nothing else was said.
  double lr_ratio(Method method) const {
    return loraplus_lr_ratio.value_or(method == Method::loraplus_adamw ? 16.0 : 1.0);
  }

  /// Of the adapter of layer number `layer` in this run.
  lorapro::LoraConfig lora_config(Method method, const RunKey& key, std::size_t layer) const {
    lorapro::LoraConfig config;
    config.rank = rank;
    config.lora_alpha = key.alpha().value();
    config.use_rslora = scales_by_root_of_rank(method);
    config.init = init;
    config.seed = key.seed * 1000 + layer;
    return config;
  }

  /// Of a run of `steps` steps: linear decay after a warm-up over a tenth of them.
  lorapro::OptimizerConfig optimizer_config(Method method, double learning_rate,
                                            std::int64_t steps) const {
    lorapro::OptimizerConfig config;
    config.group.lr = learning_rate;
    config.group.weight_decay = weight_decay;
    config.group.loraplus_lr_ratio = lr_ratio(method);
    config.damping = damping(method);
    config.max_relative_move = max_relative_move;
    config.gauge = gauge;
    config.schedule = lorapro::LrSchedule::linear(steps / 10, steps);
    config.threads = threads;
    return config;
  }
};

inline constexpr std::array<std::pair<std::string_view, lorapro::Gauge>, 3> kGaugeNames{
    {{"sylvester", lorapro::Gauge::sylvester},
     {"balanced", lorapro::Gauge::balanced},
     {"zero", lorapro::Gauge::zero}}};

std::string gauge_name(lorapro::Gauge gauge);

lorapro::Gauge parse_gauge(const std::string& name);

inline constexpr std::array<std::pair<std::string_view, lorapro::LoraInit>, 3> kInitNames{
    {{"kaiming_uniform", lorapro::LoraInit::kaiming_uniform},
     {"gaussian", lorapro::LoraInit::gaussian},
     {"orthogonal", lorapro::LoraInit::orthogonal}}};

std::string init_name(lorapro::LoraInit init);

lorapro::LoraInit parse_init(const std::string& name);

Method parse_method(const std::string& option, const std::string& name);

/// "lora_adamw,full_adamw"
std::vector<Method> parse_methods(const std::string& text);

/// "lora_adamw=1e-2,full_adamw=1e-3:3e-3", or "1e-2" for all methods; colons separate several.
void parse_learning_rates(const std::string& text, LearningRates& learning_rates);

/// The same for alpha, which only methods with adapters have.
void parse_alphas(const std::string& text, ValuesOfMethods& alphas);

/// Accepts numbers in [low, high]; unlike CLI::Range it refuses NaN.
CLI::Validator in_range(double low, double high);

/// Adds those of checkpoints. \param default_file  for the help. \return --resume.
CLI::Option* add_checkpoint_options(CLI::App& app, CheckpointOptions& options,
                                    const std::string& default_file);

/// Adds the common options to `app`; what `options` holds already are their defaults.
void add_run_options(CLI::App& app, RunOptions& options);

/// What --smoke changes in every program: all methods that have a rate, for example; what the user
/// has set stays.
void shrink_runs(const CLI::App& app, RunOptions& options, int epochs, lorapro::Index train_size);

/// Takes the tuned rates of the methods for which the command line gives none; programs have none of
/// some methods.
void use_tuned(RunOptions& options, LearningRates tuned);

/// \throws UsageError that names a method of `options` without a rate.
void check_rates(const RunOptions& options);

/// Parses the command line. \return the exit code if the program is to end now: 0 after --help, 2
/// after a bad value, with one line that says what is wrong.
std::optional<int> parse_command_line(CLI::App& app, int argc, char** argv);

}  // namespace examples

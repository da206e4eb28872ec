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
#include "run_checkpoint.hpp"

namespace examples {

/// A bad value on the command line; the message is one line.
using UsageError = CLI::ValidationError;

/// The learning rates to run each method with: usually one, several to compare them.
using LearningRates = std::map<Method, std::vector<double>>;

/// What every example lets its user choose. An example sets its own defaults before it adds them to
/// its command line.
struct RunOptions {
  std::vector<Method> methods{Method::lora_adamw, Method::lora_pro_spectral, Method::lora_pro_full,
                              Method::full_adamw};
  LearningRates learning_rates;
  lorapro::Index rank = 8;
  double lora_alpha = 16.0;
  bool use_rslora = false;
  std::map<Method, double> dampings;    // of the lora_pro methods
  std::optional<double> final_damping;  // of the last step; unset: that of the first
  lorapro::Gauge gauge = lorapro::Gauge::sylvester;
  lorapro::LoraInit init = lorapro::LoraInit::kaiming_uniform;
  bool align_init = false;                  // GradientAlignedInit
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

  /// The rate of B over that of A: 16 for LoRA+, as in its paper, if nothing else was said.
  double lr_ratio(Method method) const {
    return loraplus_lr_ratio.value_or(method == Method::loraplus_adamw ? 16.0 : 1.0);
  }

  /// Of the adapter of layer number `layer` in the run with this seed.
  lorapro::LoraConfig lora_config(Method method, std::uint64_t seed, std::size_t layer) const {
    lorapro::LoraConfig config;
    config.rank = rank;
    config.lora_alpha = lora_alpha;
    config.use_rslora = use_rslora || method == Method::rslora_adamw;
    config.init = init;
    config.seed = seed * 1000 + layer;
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

inline std::string gauge_name(lorapro::Gauge gauge) {
  for (const auto& [name, value] : kGaugeNames) {
    if (value == gauge) return std::string(name);
  }
  throw std::logic_error("a gauge is missing in kGaugeNames");
}

inline lorapro::Gauge parse_gauge(const std::string& name) {
  for (const auto& [known_name, gauge] : kGaugeNames) {
    if (known_name == name) return gauge;
  }
  throw UsageError("--gauge", "'" + name + "' is not sylvester, balanced or zero");
}

inline constexpr std::array<std::pair<std::string_view, lorapro::LoraInit>, 3> kInitNames{
    {{"kaiming_uniform", lorapro::LoraInit::kaiming_uniform},
     {"gaussian", lorapro::LoraInit::gaussian},
     {"orthogonal", lorapro::LoraInit::orthogonal}}};

inline std::string init_name(lorapro::LoraInit init) {
  for (const auto& [name, value] : kInitNames) {
    if (value == init) return std::string(name);
  }
  throw std::logic_error("an initialisation is missing in kInitNames");
}

inline lorapro::LoraInit parse_init(const std::string& name) {
  for (const auto& [known_name, init] : kInitNames) {
    if (known_name == name) return init;
  }
  throw UsageError("--init", "'" + name + "' is not kaiming_uniform, gaussian or orthogonal");
}

inline Method parse_method(const std::string& option, const std::string& name) {
  if (const auto method = method_named(name)) return *method;
  throw UsageError(option, "there is no method '" + name + "'; known are " + method_names());
}

/// "lora_adamw,full_adamw"
inline std::vector<Method> parse_methods(const std::string& text) {
  std::vector<Method> methods;
  for (const auto& name : CLI::detail::split(text, ',')) {
    const Method method = parse_method("--methods", name);
    if (std::find(methods.begin(), methods.end(), method) == methods.end()) {
      methods.push_back(method);
    }
  }
  return methods;
}

/// "lora_adamw=1e-2,full_adamw=1e-3:3e-3", or "1e-2" for all methods; colons separate several.
inline void parse_learning_rates(const std::string& text, LearningRates& learning_rates) {
  for (const auto& item : CLI::detail::split(text, ',')) {
    const auto equals = item.find('=');
    std::vector<double> rates;
    for (const auto& number :
         CLI::detail::split(equals == std::string::npos ? item : item.substr(equals + 1), ':')) {
      double rate = 0.0;
      if (!CLI::detail::lexical_cast(number, rate) || !std::isfinite(rate) || rate <= 0.0) {
        throw UsageError("--lr", "'" + number + "' is not a learning rate above 0");
      }
      rates.push_back(rate);
    }
    if (equals == std::string::npos) {
      for (const auto& method : kMethods) learning_rates[method.method] = rates;
    } else {
      learning_rates[parse_method("--lr", item.substr(0, equals))] = rates;
    }
  }
}

/// Accepts numbers in [low, high]; unlike CLI::Range it refuses NaN.
inline CLI::Validator in_range(double low, double high) {
  return {[=](std::string& text) {
            double value = 0.0;
            if (CLI::detail::lexical_cast(text, value) && value >= low && value <= high) {
              return std::string();
            }
            return fmt::format("'{}' is not a number from {} to {}", text, low, high);
          },
          ""};
}

/// Adds those of checkpoints. \param default_file  for the help. \return --resume.
inline CLI::Option* add_checkpoint_options(CLI::App& app, CheckpointOptions& options,
                                           const std::string& default_file) {
  app.add_option("--checkpoint", options.file,
                 "Where the training under way is kept [default: " + default_file + "]")
      ->type_name("FILE");
  app.add_option("--checkpoint-every", options.every, "Steps between two checkpoints; 0 for none")
      ->check(in_range(0, 1e9))
      ->capture_default_str();
  return app.add_flag("--resume", options.resume, "Go on where the checkpoint is, if there is one");
}

/// Adds the common options to `app`; what `options` holds already are their defaults.
inline void add_run_options(CLI::App& app, RunOptions& options) {
  std::string default_methods;
  for (const Method method : options.methods) {
    default_methods += (default_methods.empty() ? "" : ",") + std::string(info(method).name);
  }
  app.add_option_function<std::string>(
         "--methods", [&](const std::string& text) { options.methods = parse_methods(text); },
         "Compare these; known are " + method_names())
      ->type_name("A,B,...")
      ->default_str(default_methods);
  app.add_option_function<std::string>(
         "--lr",
         [&](const std::string& text) { parse_learning_rates(text, options.learning_rates); },
         "Learning rate of all methods, or METHOD=RATE,...; RATE:RATE runs several "
         "[default: tuned for each method]")
      ->type_name("RATE");
  app.add_option("--rank", options.rank, "Rank of the adapters")
      ->check(in_range(1, 4096))
      ->capture_default_str();
  app.add_option("--alpha", options.lora_alpha, "Adapters are scaled by alpha / rank")
      ->check(in_range(1e-6, 1e6))
      ->capture_default_str();
  app.add_flag("--rslora", options.use_rslora, "Scale adapters by alpha / sqrt(rank) instead");
  app.add_option_function<double>(
         "--damping",
         [&](const double& damping) {
           for (const auto& method : kMethods) options.dampings[method.method] = damping;
         },
         "Relative damping of the lora_pro methods [default: tuned for each method]")
      ->check(in_range(0, 1e6));
  app.add_option("--final-damping", options.final_damping,
                 "Damping of the last step, reached in equal steps [default: --damping]")
      ->check(in_range(0, 1e6));
  app.add_option_function<std::string>(
         "--gauge", [&](const std::string& name) { options.gauge = parse_gauge(name); },
         "Gauge of the lora_pro methods")
      ->type_name("sylvester|balanced|zero")
      ->default_str(gauge_name(options.gauge));
  app.add_option_function<std::string>(
         "--init", [&](const std::string& name) { options.init = parse_init(name); },
         "What adapters start from")
      ->type_name("kaiming_uniform|gaussian|orthogonal")
      ->default_str(init_name(options.init));
  app.add_flag("--align-init", options.align_init,
               "Replace A by the leading singular vectors of the first batch's gradient");
  auto* const refresh =
      app.add_option(
             "--refresh-every", options.refresh_every,
             "Steps after which adapters are merged and start anew as with --align-init; no "
             "checkpoints then [default: never]")
          ->check(in_range(1, 1e9));
  app.add_option("--loraplus-lr-ratio", options.loraplus_lr_ratio,
                 "Learning rate of lora_B over that of lora_A [default: 16 for loraplus_adamw, 1]")
      ->check(in_range(1e-6, 1e6));
  app.add_option("--weight-decay", options.weight_decay, "Decoupled weight decay")
      ->check(in_range(0, 1e3))
      ->capture_default_str();
  app.add_option("--epochs", options.epochs, "Passes over the training data")
      ->check(in_range(1, 100000))
      ->capture_default_str();
  app.add_option("--train-size", options.train_size, "Number of training examples")
      ->check(in_range(1, 1e9))
      ->capture_default_str();
  app.add_option("--seeds", options.seeds, "Runs of each method, with different seeds")
      ->check(in_range(1, 10000))
      ->capture_default_str();
  app.add_option("--first-seed", options.first_seed, "Seed of the first run; the next count on")
      ->check(in_range(0, 1e9))
      ->capture_default_str();
  app.add_option("--threads", options.threads, "Threads; 0 for all cores")
      ->check(in_range(0, 1024))
      ->capture_default_str();
  app.add_option("--output", options.output, "Folder for results.json, results.csv and the curves")
      ->type_name("DIR")
      ->capture_default_str();
  app.add_option("--cache", options.cache, "Folder for data and pretrained weights")
      ->type_name("DIR")
      ->capture_default_str();
  app.add_flag("--measure-steps", options.measure_steps,
               "Record how far the steps are from the full gradient, at a few of them");
  auto* const fresh = app.add_flag("--fresh", options.fresh,
                                   "Do again the runs that DIR/results.json holds already");
  add_checkpoint_options(app, options.checkpoint, "DIR/run.checkpoint")
      ->excludes(fresh)
      ->excludes(refresh);
  app.get_option("--checkpoint-every")->excludes(refresh);
}

/// What --smoke changes in every program; what the user has set stays.
inline void shrink_runs(const CLI::App& app, RunOptions& options, int epochs,
                        lorapro::Index train_size) {
  if (app.count("--epochs") == 0) options.epochs = epochs;
  if (app.count("--train-size") == 0) options.train_size = train_size;
  if (app.count("--seeds") == 0) options.seeds = 1;
  if (app.count("--methods") == 0) {
    options.methods.clear();
    for (const auto& method : kMethods) options.methods.push_back(method.method);
  }
}

/// Takes the tuned rates of the methods for which the command line gives none.
inline void use_tuned(RunOptions& options, LearningRates tuned) {
  options.learning_rates.merge(tuned);
}

/// Parses the command line. \return the exit code if the program is to end now: 0 after --help, 2
/// after a bad value, with one line that says what is wrong.
inline std::optional<int> parse_command_line(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    fmt::print(stderr, "{}: {}\n", app.get_name(), error.what());
    return 2;
  }
  return std::nullopt;
}

}  // namespace examples

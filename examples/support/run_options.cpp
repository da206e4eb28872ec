// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "run_options.hpp"

namespace examples {

std::string gauge_name(lorapro::Gauge gauge) {
  for (const auto& [name, value] : kGaugeNames) {
    if (value == gauge) return std::string(name);
  }
  throw std::logic_error("a gauge is missing in kGaugeNames");
}

lorapro::Gauge parse_gauge(const std::string& name) {
  for (const auto& [known_name, gauge] : kGaugeNames) {
    if (known_name == name) return gauge;
  }
  throw UsageError("--gauge", "'" + name + "' is not sylvester, balanced or zero");
}

std::string init_name(lorapro::LoraInit init) {
  for (const auto& [name, value] : kInitNames) {
    if (value == init) return std::string(name);
  }
  throw std::logic_error("an initialisation is missing in kInitNames");
}

lorapro::LoraInit parse_init(const std::string& name) {
  for (const auto& [known_name, init] : kInitNames) {
    if (known_name == name) return init;
  }
  throw UsageError("--init", "'" + name + "' is not kaiming_uniform, gaussian or orthogonal");
}

Method parse_method(const std::string& option, const std::string& name) {
  if (const auto method = method_named(name)) return *method;
  throw UsageError(option, "there is no method '" + name + "'; known are " + method_names());
}

std::vector<Method> parse_methods(const std::string& text) {
  std::vector<Method> methods;
  for (const auto& name : CLI::detail::split(text, ',')) {
    const Method method = parse_method("--methods", name);
    if (std::find(methods.begin(), methods.end(), method) == methods.end()) {
      methods.push_back(method);
    }
  }
  return methods;
}

namespace detail {

/// \param of_adapters  whether only methods with adapters have such a value.
/// \param what         an allowed one, for messages: "a learning rate above 0".
template <typename IsAllowed>
void parse_values(const std::string& option, bool of_adapters, const std::string& what,
                  const IsAllowed& is_allowed, const std::string& text,
                  ValuesOfMethods& of_methods) {
  for (const auto& item : CLI::detail::split(text, ',')) {
    const auto equals = item.find('=');
    std::vector<double> values;
    for (const auto& number :
         CLI::detail::split(equals == std::string::npos ? item : item.substr(equals + 1), ':')) {
      double value = 0.0;
      if (!CLI::detail::lexical_cast(number, value) || !is_allowed(value)) {
        throw UsageError(option, "'" + number + "' is not " + what);
      }
      if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
    }
    if (equals == std::string::npos) {
      of_methods = for_all_methods(values);
    } else {
      const Method method = parse_method(option, item.substr(0, equals));
      if (of_adapters && !info(method).trains_adapters) {
        throw UsageError(option, std::string(info(method).name) + " has no adapters");
      }
      of_methods[method] = values;
    }
  }
}

}  // namespace detail

ValuesOfMethods for_all_methods(const std::vector<double>& values) {
  ValuesOfMethods of_methods;
  for (const auto& method : kMethods) of_methods[method.method] = values;
  return of_methods;
}

void parse_learning_rates(const std::string& text, LearningRates& learning_rates) {
  detail::parse_values(
      "--lr", /*of_adapters=*/false, "a learning rate above 0",
      [](double rate) { return std::isfinite(rate) && rate > 0.0; }, text, learning_rates);
}

void parse_alphas(const std::string& text, ValuesOfMethods& alphas) {
  detail::parse_values(
      "--alpha", /*of_adapters=*/true, "an alpha from 1e-06 to 1e+06",
      [](double alpha) { return alpha >= 1e-6 && alpha <= 1e6; }, text, alphas);
}

CLI::Validator in_range(double low, double high) {
  return {[=](std::string& text) {
            double value = 0.0;
            if (CLI::detail::lexical_cast(text, value) && value >= low && value <= high) {
              return std::string();
            }
            return fmt::format("'{}' is not a number from {} to {}", text, low, high);
          },
          ""};
}

CLI::Option* add_checkpoint_options(CLI::App& app, CheckpointOptions& options,
                                    const std::string& default_file) {
  app.add_option("--checkpoint", options.file,
                 "Where the training under way is kept [default: " + default_file + "]")
      ->type_name("FILE");
  app.add_option("--checkpoint-every", options.every, "Steps between two checkpoints; 0 for none")
      ->check(in_range(0, 1e9))
      ->capture_default_str();
  return app.add_flag("--resume", options.resume, "Go on where the checkpoint is, if there is one");
}

void add_run_options(CLI::App& app, RunOptions& options) {
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
         "[default: tuned for each method that the comparison has]")
      ->type_name("RATE");
  app.add_option("--rank", options.rank, "Rank of the adapters")
      ->check(in_range(1, 4096))
      ->capture_default_str();
  app.add_option_function<std::string>(
         "--alpha", [&](const std::string& text) { parse_alphas(text, options.alphas); },
         "Adapters are scaled by alpha / rank; lists as in --lr")
      ->type_name("ALPHA")
      ->default_str(fmt::format("{:g}", kDefaultAlpha));
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
  app.add_option("--max-relative-move", options.max_relative_move,
                 "Largest move of A in a step of the lora_pro methods, as a part of A "
                 "[default: 0.1 for spectral moments, 0.05]")
      ->check(in_range(1e-6, 1e6));
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
  app.add_flag("--value-only", options.value_only,
               "Measure the metric after each run and nothing that takes time beside it");
  auto* const fresh = app.add_flag("--fresh", options.fresh,
                                   "Do again the runs that DIR/results.json holds already");
  add_checkpoint_options(app, options.checkpoint, "DIR/run.checkpoint")
      ->excludes(fresh)
      ->excludes(refresh);
  app.get_option("--checkpoint-every")->excludes(refresh);
}

void shrink_runs(const CLI::App& app, RunOptions& options, int epochs, lorapro::Index train_size) {
  if (app.count("--epochs") == 0) options.epochs = epochs;
  if (app.count("--train-size") == 0) options.train_size = train_size;
  if (app.count("--seeds") == 0) options.seeds = 1;
  if (app.count("--methods") == 0) {
    options.methods.clear();
    for (const auto& method : kMethods)
      if (options.learning_rates.count(method.method) != 0)
        options.methods.push_back(method.method);
  }
}

void use_tuned(RunOptions& options, LearningRates tuned) { options.learning_rates.merge(tuned); }

void check_rates(const RunOptions& options) {
  for (const Method method : options.methods) {
    if (options.learning_rates.count(method) != 0) continue;
    const std::string name(info(method).name);
    throw UsageError("--lr", "no rate has been tuned for " + name + " here; give one: --lr " +
                                 name + "=RATE, or several to compare: RATE:RATE");
  }
}

std::optional<int> parse_command_line(CLI::App& app, int argc, char** argv) {
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

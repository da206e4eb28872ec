// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/lorapro.hpp>
#include <CLI/CLI.hpp>
#include <algorithm>  // std::max, std::min
#include <cstdint>
#include <filesystem>
#include <fmt/format.h>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "../nn/gpt.hpp"
#include "../nn/gpt_text.hpp"
#include "../nn/model_file.hpp"
#include "../nn/training.hpp"
#include "experiment.hpp"
#include "program.hpp"
#include "run_options.hpp"
#include "run_recorder.hpp"
#include "text_files.hpp"

// What the programs that fine-tune the small GPT have in common.
namespace examples {

struct GptOptions : RunOptions {
  std::filesystem::path model;
  lorapro::Index batch_size = 16;
  bool validation = false;
  bool skip_base = false;
  bool smoke = false;
};

/// What a program fine-tunes the GPT to.
struct TextTask {
  std::vector<nn::LabelledTokens> training;  // of which each run draws train_size
  /// A point of the metric's curve: quick, on part of the held-out data.
  std::function<double(nn::Gpt<float>&)> quick_metric;
  /// Sets `value` on all of it, and unless it alone is wanted `further_metrics`.
  std::function<void(nn::Gpt<float>&, Run&)> measure;
  /// Lines that show what the model writes.
  std::function<std::vector<std::string>(nn::Gpt<float>&)> samples;
};

void add_gpt_options(CLI::App& app, GptOptions& options);

/// The pretrained base, or a tiny random one for --smoke.
class GptBase {
 public:
  explicit GptBase(const GptOptions& options) : path_(options.model.string()) {
    if (options.smoke) {
      config_ = {256, 64, 32, 2, 2};
    } else {
      if (!std::filesystem::exists(options.model)) {
        throw std::runtime_error(path_ + ": there is no such model (pretrain_gpt makes one)");
      }
      file_.emplace(path_);
    }
  }

  /// A model of this configuration in a file.
  GptBase(const std::filesystem::path& file, const nn::GptConfig& config)
      : path_(file.string()), config_(config) {
    file_.emplace(path_);
  }

  const nn::GptConfig& config() const { return config_; }

  nn::Gpt<float> make() const {
    nn::Gpt<float> gpt(config_);
    if (file_) {
      nn::load_parameters(gpt, *file_);
    } else {
      RandomEngine engine(0);
      gpt.randomize(engine);
    }
    return gpt;
  }

  /// One line for the user.
  std::string description() const {
    return file_ ? fmt::format("{} ({})", path_, file_->metadata("recipe"))
                 : std::string("a tiny random GPT");
  }

 private:
  std::string path_;
  nn::GptConfig config_;
  std::optional<lorapro::io::SafetensorsReader> file_;
};

std::int64_t steps_per_run(const GptOptions& options);

namespace detail {

Run fine_tune(nn::Gpt<float>& gpt, const TextTask& task, const GptOptions& options,
              const RunRequest& request, ProgressBar& bar);

}  // namespace detail

/// Fine-tunes the base as `request` asks: adapters on all linear layers of the blocks and nothing
/// else, or all parameters. Shows samples for the first seed.
Run fine_tune_gpt(const GptBase& base, const TextTask& task, const GptOptions& options,
                  const RunRequest& request, ProgressBar& bar);

/// Measures the base unless it is to be skipped, then every method.
/// \param own_options  recorded with each run.
void compare_on_text(const Task& named, const std::string& title, const GptBase& base,
                     const TextTask& task, const GptOptions& options, nlohmann::json own_options);

/// The main function of a program that fine-tunes the GPT.
/// \param remedy           how to get its data.
/// \param options          with the program's own defaults.
/// \param compare_methods  called with the options of the command line.
template <typename CompareMethods>
int run_gpt_program(const std::string& name, const std::string& description,
                    const std::string& remedy, GptOptions options, const LearningRates& tuned,
                    int argc, char** argv, const CompareMethods& compare_methods) {
  options.threads = 0;
  options.output = name + "_results";
  options.cache = default_cache(options.output / "cache");
  CLI::App app(description, name);
  add_run_options(app, options);
  add_gpt_options(app, options);
  if (const auto exit_code = parse_command_line(app, argc, argv)) return *exit_code;
  use_tuned(options, tuned);
  if (options.smoke) shrink_runs(app, options, 2, 64);
  return run_program(name, remedy, [&] {
    check_rates(options);
    compare_methods(options);
  });
}

}  // namespace examples

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/events/csv_log.hpp>
#include <lorapro/events/json_lines_log.hpp>
#include <lorapro/events/tensorboard_log.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "../support/method_optimizer.hpp"
#include "../support/progress_bar.hpp"
#include "evaluation.hpp"
#include "finetune_options.hpp"

namespace examples::llm {

/// What the user sees of a training: a line of progress, and the logs that the options name.
class FinetuneWatch {
 public:
  /// \param done, total  steps. The optimizer takes no step when it is gone.
  /// \param shows  or else it is silent, and writes no log.
  FinetuneWatch(const FinetuneOptions& options, MethodOptimizer& optimizer, std::int64_t done,
                std::int64_t total, bool shows);

  /// \param step  that is done, from 1. \param tokens  of the step.
  void after_step(std::int64_t step, Index tokens, double loss);

  /// \param untrained  evaluation of the model as it was.
  void before_training(const Evaluation& untrained);
  void after_evaluation(std::int64_t step, const Evaluation& evaluation, bool is_best);

  /// Prints lines that stay.
  void print(const std::string& lines) {
    if (shows_) bar_.print(lines);
  }

  /// Since it was made.
  double seconds() const;

 private:
  using Clock = std::chrono::steady_clock;

  std::int64_t total_;
  bool shows_;
  ProgressBar bar_;
  std::optional<lorapro::CsvLog> csv_;
  std::optional<lorapro::JsonLinesLog> json_lines_;
  std::optional<lorapro::TensorBoardLog> tensorboard_;
  Clock::time_point start_ = Clock::now();
  Index tokens_ = 0;
};

}  // namespace examples::llm

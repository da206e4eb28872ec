// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "method_optimizer.hpp"
#include "progress_bar.hpp"
#include "run_checkpoint.hpp"
#include "run_recorder.hpp"

namespace examples {

/// What programs that make a base model let the user choose.
struct PretrainingOptions {
  double learning_rate = 3e-3;
  double weight_decay = 0.1;
  std::uint64_t seed = 0;
  int threads = 0;
  std::filesystem::path output;
  std::filesystem::path cache;
  CheckpointOptions checkpoint;
  bool fresh = false;
  bool smoke = false;
};

/// All but --output and --smoke, whose words are the program's.
/// \param seeded  what the seed is of.
/// \param checkpoint  the default name of the checkpoint, as --help says it.
void add_pretraining_options(CLI::App& app, const std::string& seeded,
                             const std::string& checkpoint, PretrainingOptions& options);

/// A training of all weights by AdamW, with a linear schedule, clipping at a norm of 1 and a
/// checkpoint beside the output, from which --resume goes on.
class Pretraining {
 public:
  /// \param recipe  what a checkpoint must have been made for to be taken up.
  /// \param evaluate_every  steps; also those between two checkpoints unless the user says.
  /// \throws UsageError (a checkpoint that is neither to be resumed nor to be left, or of another
  /// training).
  Pretraining(const PretrainingOptions& options, const std::string& recipe, std::int64_t steps,
              std::int64_t evaluate_every);

  /// Whose parameters the caller attaches.
  MethodOptimizer& optimizer() { return *optimizer_; }

  /// Takes the steps that are left up to `end`. \param gradients  gradients(step) leaves those of
  /// the step in the parameters and returns the loss. \param evaluate  what is printed now and then.
  /// \throws std::runtime_error if a gradient is not finite.
  void run(std::int64_t end, const std::function<double(std::int64_t)>& gradients,
           const std::function<std::string()>& evaluate);

  /// The model is written: removes the checkpoint and says so.
  void finish();

 private:
  std::filesystem::path output_;
  RunCheckpoint checkpoint_;
  RunKey key_;
  std::int64_t steps_;
  std::int64_t evaluate_every_;
  std::unique_ptr<MethodOptimizer> optimizer_;
};

}  // namespace examples

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <string>

#include "evaluation.hpp"
#include "finetune_checkpoint.hpp"
#include "finetune_watch.hpp"
#include "training_order.hpp"

namespace examples::llm {

/// What a training ended with.
struct FinetuneOutcome {
  FinetuneProgress progress;
  bool finished = false;  ///< or else somebody asked to stop, and the checkpoint is there
  std::size_t optimizer_bytes = 0;
};

/// Trains the adapter of a model. The gradients of a step are those of the mean over all its labels,
/// whatever its batches.
class FinetuneRun {
 public:
  /// \param tokenizer  of the samples. \param peers  that have the same options, data and model.
  FinetuneRun(const FinetuneOptions& options, const FinetuneData& data, const Tokenizer& tokenizer,
              Llama<float>& model, const Peers& peers);

  /// Steps of the whole training.
  std::int64_t steps() const { return steps_; }

  /// All steps that are left. The adapter is in the output folder then, the best one where there is
  /// data to tell.
  /// \throws lorapro::StateError: a loss, or gradients, that are not finite; the checkpoint is as it
  /// was. lorapro::FileError, and as FinetuneCheckpoint::load.
  FinetuneOutcome run(const FinetuneCheckpoint& checkpoint);

 private:
  /// What a step was trained on.
  struct Trained {
    Index tokens = 0;
    double loss = 0;  // per label
  };

  /// \throws lorapro::StateError.
  Trained step(const StepPacks& packs);
  [[noreturn]] void fail(const std::string& what) const;
  Evaluation validate();
  void evaluate(FinetuneWatch& watch);
  void write_output() const;
  bool is_evaluated(std::int64_t step) const;

  const FinetuneOptions& options_;
  const FinetuneData& data_;
  const Tokenizer& tokenizer_;
  Llama<float>& model_;
  const Peers& peers_;
  TrainingOrder order_;
  std::int64_t steps_;
  std::unique_ptr<MethodOptimizer> optimizer_;
  FinetuneProgress progress_;
};

}  // namespace examples::llm

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/core/error.hpp>
#include <optional>

#include "../support/run_checkpoint.hpp"
#include "finetune_data.hpp"
#include "finetune_options.hpp"
#include "finetune_progress.hpp"
#include "model_tensors.hpp"

namespace examples::llm {

/// All that decides the bits of a training: it cannot go on with another model, other data or other
/// options, or among another number of processes. \param steps  of the whole training.
RunKey finetune_key(const FinetuneOptions& options, const ModelTensors& model,
                    const FinetuneData& data, std::int64_t steps, int processes);

/// The name of the checkpoint in the output folder.
inline constexpr const char* kCheckpoint = "run.checkpoint";

/// The checkpoint of a training in its output folder.
class FinetuneCheckpoint {
 public:
  FinetuneCheckpoint(const FinetuneOptions& options, RunKey key)
      : key_(std::move(key)),
        resumes_(options.resume),
        checkpoint_({options.output / kCheckpoint, options.checkpoint_every, options.resume}) {}

  const std::filesystem::path& path() const { return checkpoint_.path(); }
  bool due(std::int64_t step) const { return checkpoint_.due(step); }

  /// Restores the optimizer and what is attached to it. \return how far the training had come; the
  /// beginning, where it is not to go on with what there is.
  /// \throws lorapro::ConfigError (the checkpoint is of another training; says in what), and as
  /// RunCheckpoint.
  FinetuneProgress load(MethodOptimizer& optimizer) const;

  void save(const FinetuneProgress& progress, MethodOptimizer& optimizer) const {
    checkpoint_.save(key_, to_json(progress), optimizer);
  }

  /// The training is done.
  void remove() const;

 private:
  RunKey key_;
  bool resumes_;
  RunCheckpoint checkpoint_;
};

}  // namespace examples::llm

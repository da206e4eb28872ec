// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>

#include "../support/run.hpp"

namespace examples::llm {

/// How far a training has come, besides what the optimizer keeps: a checkpoint has both.
struct FinetuneProgress {
  std::int64_t step = 0;            ///< steps that are done
  std::int64_t tokens = 0;          ///< rows that were trained on
  std::uint64_t dropout_masks = 0;  ///< of the model
  double seconds = 0;               ///< in all processes that had a part in it
  Curve loss_curve;                 ///< training loss per label
  Curve valid_curve;                ///< cross-entropy of the evaluations
  std::optional<std::int64_t> best_step;
  double best_loss = 0;  ///< of the evaluations, where there were some

  /// Takes an evaluation into account. \return whether it is the best so far.
  bool note_evaluation(double cross_entropy);
};

nlohmann::json to_json(const FinetuneProgress& progress);

/// \throws nlohmann::json::exception if `json` is not what to_json writes.
FinetuneProgress progress_from_json(const nlohmann::json& json);

}  // namespace examples::llm

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "finetune_checkpoint.hpp"

#include <lorapro/core/file_error.hpp>
#include <lorapro/io/error.hpp>

#include "fingerprint.hpp"

namespace examples::llm {

namespace {

/// "rank: expected 8, got 16", of the first thing in which two trainings differ; empty if in none.
std::string difference(const RunKey& wanted, const RunKey& saved) {
  const nlohmann::json ours = to_json(wanted), theirs = to_json(saved);
  const auto of = [](const nlohmann::json& a, const nlohmann::json& b) -> std::string {
    for (const auto& [name, value] : a.items()) {
      const auto other = b.find(name);
      if (name == "options" || (other != b.end() && *other == value)) continue;
      return name + ": expected " + lorapro::io::detail::shown(value) + ", got " +
             (other == b.end() ? "none" : lorapro::io::detail::shown(*other));
    }
    return "";
  };
  const std::string found = of(ours, theirs);
  return found.empty() ? of(ours["options"], theirs["options"]) : found;
}

}  // namespace

RunKey finetune_key(const FinetuneOptions& options, const ModelTensors& model,
                    const FinetuneData& data, std::int64_t steps, int processes) {
  const auto of_part = [](const std::optional<DataPart>& part) {
    return part ? fingerprint_of(part->data.examples) : "none";
  };
  return {std::string(info(options.method).name),
          options.learning_rate,
          options.seed,
          {{"model", fingerprint_of(model)},
           {"data", of_part(data.train)},
           {"valid", of_part(data.valid)},
           {"base", options.base},
           {"rank", options.rank},
           {"rank_pattern", options.rank_pattern},
           {"alpha", options.alpha},
           {"rslora", options.is_rslora()},
           {"dropout", options.dropout},
           {"targets", options.targets},
           {"last_layers", options.last_layers},
           {"schedule", options.schedule},
           {"warmup", options.warmup},
           {"clip", options.clip},
           {"weight_decay", options.weight_decay},
           {"steps", steps},
           {"processes", processes},
           {"max_length", options.max_length},
           {"tokens_per_step", options.tokens_per_step},
           {"micro_tokens", options.micro_tokens},
           {"packing", options.packing},
           {"eval_every", options.eval_every}}};
}

FinetuneProgress FinetuneCheckpoint::load(MethodOptimizer& optimizer) const {
  if (!resumes_ || !std::filesystem::exists(path())) return {};
  const auto saved = checkpoint_.key();
  if (const std::string problem = difference(key_, *saved); !problem.empty()) {
    throw lorapro::ConfigError(path().string() + ": expected the checkpoint of this training; " +
                               problem);
  }
  const auto progress = checkpoint_.load(key_, optimizer);
  if (!progress) {
    throw lorapro::FormatError(path().string() + ": expected the checkpoint of this training");
  }
  try {
    return progress_from_json(*progress);
  } catch (const nlohmann::json::exception& error) {
    throw lorapro::FormatError(path().string() + ": progress: " + error.what());
  }
}

void FinetuneCheckpoint::remove() const {
  std::error_code ignored;
  std::filesystem::remove(path(), ignored);
}

}  // namespace examples::llm

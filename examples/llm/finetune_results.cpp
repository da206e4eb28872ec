// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "finetune_results.hpp"

#include <lorapro/io/atomic_file.hpp>
#include <nlohmann/json.hpp>

#ifdef __unix__
#include <sys/resource.h>  // getrusage
#endif

namespace examples::llm {

namespace {

using OrderedJson = nlohmann::ordered_json;

OrderedJson of_part(const std::optional<DataPart>& part) {
  if (!part) return nullptr;
  const EncodedData& data = part->data;
  return {{"file", part->path.string()}, {"examples", data.examples.size()},
          {"tokens", data.tokens},       {"labels", data.labels},
          {"truncated", data.truncated}, {"left_out", data.left_out}};
}

/// Bytes of this program's memory at its largest; null where the system does not say.
OrderedJson peak_memory() {
#ifdef __linux__
  struct rusage usage = {};
  if (::getrusage(RUSAGE_SELF, &usage) == 0) return std::int64_t{usage.ru_maxrss} * 1024;
#endif
  return nullptr;
}

}  // namespace

void write_results(const std::filesystem::path& path, const FinetuneOptions& options,
                   const RunKey& key, const FinetuneData& data, const FinetuneOutcome& outcome,
                   const std::optional<Evaluation>& test, const Llama<float>& model) {
  const FinetuneProgress& progress = outcome.progress;
  Index trained = 0;
  for (const auto& layer : model.trained()) {
    trained += layer.pair->lora_A().size() + layer.pair->lora_B().size();
  }
  OrderedJson json{{"model", options.model},
                   {"method", key.method},
                   {"learning_rate", key.learning_rate},
                   {"seed", key.seed},
                   {"options", key.options},
                   {"data",
                    {{"train", of_part(data.train)},
                     {"valid", of_part(data.valid)},
                     {"test", of_part(data.test)}}},
                   {"steps", progress.step},
                   {"tokens", progress.tokens},
                   {"trainable_parameters", trained},
                   {"base_bytes", model.base_bytes()},
                   {"optimizer_state_bytes", outcome.optimizer_bytes},
                   {"final_loss", progress.loss_curve.back().second}};
  if (progress.best_step) {
    json["best_step"] = *progress.best_step;
    json["best_cross_entropy"] = progress.best_loss;
  }
  if (test) {
    json["test_cross_entropy"] = test->cross_entropy;
    json["test_perplexity"] = test->perplexity();
  }
  json["seconds"] = progress.seconds;
  json["tokens_per_second"] = static_cast<double>(progress.tokens) / progress.seconds;
  json["peak_memory_bytes"] = peak_memory();
  json["loss_curve"] = progress.loss_curve;
  json["valid_curve"] = progress.valid_curve;
  lorapro::io::write_file(path, json.dump(2) + "\n");
}

}  // namespace examples::llm

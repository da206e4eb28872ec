// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "finetune_progress.hpp"

namespace examples::llm {

bool FinetuneProgress::note_evaluation(double cross_entropy) {
  valid_curve.emplace_back(step, cross_entropy);
  if (best_step && !(cross_entropy < best_loss)) return false;
  best_step = step;
  best_loss = cross_entropy;
  return true;
}

nlohmann::json to_json(const FinetuneProgress& progress) {
  nlohmann::json json{{"step", progress.step},
                      {"tokens", progress.tokens},
                      {"dropout_masks", progress.dropout_masks},
                      {"seconds", progress.seconds},
                      {"loss_curve", progress.loss_curve},
                      {"valid_curve", progress.valid_curve}};
  if (progress.best_step) {
    json["best_step"] = *progress.best_step;
    json["best_loss"] = progress.best_loss;
  }
  return json;
}

FinetuneProgress progress_from_json(const nlohmann::json& json) {
  FinetuneProgress progress;
  json.at("step").get_to(progress.step);
  json.at("tokens").get_to(progress.tokens);
  json.at("dropout_masks").get_to(progress.dropout_masks);
  json.at("seconds").get_to(progress.seconds);
  progress.loss_curve = detail::curve_from_json(json.at("loss_curve"));
  progress.valid_curve = detail::curve_from_json(json.at("valid_curve"));
  if (json.contains("best_step")) {
    progress.best_step = json.at("best_step").get<std::int64_t>();
    json.at("best_loss").get_to(progress.best_loss);
  }
  return progress;
}

}  // namespace examples::llm

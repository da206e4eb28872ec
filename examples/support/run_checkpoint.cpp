// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "run_checkpoint.hpp"

namespace examples {

std::optional<RunKey> RunCheckpoint::key() const {
  if (!options_.resume || !std::filesystem::exists(path())) return std::nullopt;
  return key_from_json(json_value(lorapro::io::CheckpointReader(path()), "key"));
}

void RunCheckpoint::save(const RunKey& key, const nlohmann::json& progress,
                         MethodOptimizer& optimizer) const {
  if (path().has_parent_path()) std::filesystem::create_directories(path().parent_path());
  lorapro::io::CheckpointWriter checkpoint;
  checkpoint.add("optimizer", optimizer);
  checkpoint.set("key", to_json(key).dump());
  checkpoint.set("progress", progress.dump());
  checkpoint.write(path());
}

std::optional<nlohmann::json> RunCheckpoint::load(const RunKey& key,
                                                  MethodOptimizer& optimizer) const {
  const auto saved = this->key();
  if (!saved || !(*saved == key)) return std::nullopt;
  const lorapro::io::CheckpointReader checkpoint(path());
  auto progress = json_value(checkpoint, "progress");
  checkpoint.load("optimizer", optimizer);
  return progress;
}

nlohmann::json RunCheckpoint::json_value(const lorapro::io::CheckpointReader& checkpoint,
                                         const char* name) const {
  auto json = nlohmann::json::parse(checkpoint.value(name), nullptr, false);
  if (!json.is_object()) {
    throw lorapro::FormatError(path().string() + ": " + name + ": expected a JSON object");
  }
  return json;
}

}  // namespace examples

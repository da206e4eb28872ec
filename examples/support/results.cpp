// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "results.hpp"

namespace examples {

void Results::add(Run run) {
  runs_.push_back(std::move(run));
  lorapro::io::write_file(json_path(), json());
  lorapro::io::write_file(dir_ / "results.csv", csv());
}

void Results::read() {
  std::ifstream file(json_path());
  if (!file) return;
  try {
    const auto json = nlohmann::json::parse(file);
    if (json.at("task") != task_.name || json.at("metric") != task_.metric) {
      throw std::runtime_error("is of another task");
    }
    for (const auto& run : json.at("runs")) runs_.push_back(run_from_json(run, task_.metric));
  } catch (const std::exception& error) {
    throw std::runtime_error(json_path().string() + ": cannot be taken up (" + error.what() +
                             "); --fresh replaces it");
  }
}

std::string Results::json() const {
  nlohmann::ordered_json runs = nlohmann::ordered_json::array();
  for (const auto& run : runs_) runs.push_back(to_json(run, task_.metric));
  const nlohmann::ordered_json all{{"task", task_.name},
                                   {"metric", task_.metric},
                                   {"higher_is_better", task_.higher_is_better},
                                   {"runs", std::move(runs)}};
  return all.dump() + "\n";
}

std::string Results::csv() const {
  std::set<std::string> option_names;  // of all runs: another version may have had others
  for (const auto& run : runs_) {
    for (const auto& option : run.key.options.items()) option_names.insert(option.key());
  }
  std::string text =
      "method,learning_rate,seed,value,final_loss,trainable_parameters,optimizer_state_bytes,"
      "optimizer_ms_per_step,seconds";
  for (const auto& name : option_names) text += "," + name;
  text += "\n";
  for (const auto& run : runs_) {
    text += fmt::format("{},{},{},{},{},{},{},{:.6g},{:.6g}", run.key.method, run.key.learning_rate,
                        run.key.seed, run.value, run.final_loss, run.trainable_parameters,
                        run.optimizer_state_bytes, run.optimizer_ms_per_step, run.seconds);
    for (const auto& name : option_names) {
      const auto option = run.key.options.value(name, nlohmann::json());
      text += "," + (option.is_null()     ? std::string()
                     : option.is_string() ? option.get<std::string>()
                                          : option.dump());
    }
    text += "\n";
  }
  return text;
}

}  // namespace examples

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace examples {

/// What a run was asked to do; two runs that agree in all of it give the same result.
struct RunKey {
  std::string method;
  double learning_rate = 0.0;
  std::uint64_t seed = 0;
  nlohmann::json options;  // rank, alpha, ...: an object

  /// Of the adapters, one of the options; nothing for a method without adapters.
  std::optional<double> alpha() const {
    const auto found = options.find("alpha");
    return found == options.end() ? std::nullopt : std::optional(found->get<double>());
  }

  friend bool operator==(const RunKey& a, const RunKey& b) {
    return a.method == b.method && a.learning_rate == b.learning_rate && a.seed == b.seed &&
           a.options == b.options;
  }
};

using Curve = std::vector<std::pair<std::int64_t, double>>;  // (step, value)

/// A finished run.
struct Run {
  RunKey key;
  double value = 0.0;  // the metric at the end, on examples that were not trained on
  std::map<std::string, double> further_metrics;  // others at the end, by name
  double final_loss = 0.0;                        // training loss, averaged over the last epoch
  std::int64_t trainable_parameters = 0;
  std::int64_t optimizer_state_bytes = 0;
  double optimizer_ms_per_step = 0.0;
  double seconds = 0.0;  // the whole run
  Curve loss_curve;      // training loss
  Curve metric_curve;
  std::map<std::string, Curve> step_curves;  // what StepMeasurements saw, by name
};

namespace detail {

/// JSON has no NaN: nlohmann::json writes null for the loss of a run that diverged.
double number_or_nan(const nlohmann::json& json);

Curve curve_from_json(const nlohmann::json& json);

}  // namespace detail

/// Of the training of the base that a program makes in its first run.
RunKey pretraining_key(const std::string& recipe);

nlohmann::json to_json(const RunKey& key);

/// \throws nlohmann::json::exception if `json` lacks something.
RunKey key_from_json(const nlohmann::json& json);

/// `metric` names the curve of the metric: "accuracy" gives "accuracy_curve".
nlohmann::ordered_json to_json(const Run& run, const std::string& metric);

/// \throws nlohmann::json::exception if `json` is not what to_json writes.
Run run_from_json(const nlohmann::json& json, const std::string& metric);

}  // namespace examples

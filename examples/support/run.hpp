// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
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
inline double number_or_nan(const nlohmann::json& json) {
  return json.is_null() ? std::numeric_limits<double>::quiet_NaN() : json.get<double>();
}

inline Curve curve_from_json(const nlohmann::json& json) {
  Curve curve;
  for (const auto& point : json) {
    curve.emplace_back(point.at(0).get<std::int64_t>(), number_or_nan(point.at(1)));
  }
  return curve;
}

}  // namespace detail

/// Of the training of the base that a program makes in its first run.
inline RunKey pretraining_key(const std::string& recipe) {
  return {"pretraining", 0, 0, {{"recipe", recipe}}};
}

inline nlohmann::json to_json(const RunKey& key) {
  return {{"method", key.method},
          {"learning_rate", key.learning_rate},
          {"seed", key.seed},
          {"options", key.options}};
}

/// \throws nlohmann::json::exception if `json` lacks something.
inline RunKey key_from_json(const nlohmann::json& json) {
  return {json.at("method"), json.at("learning_rate"), json.at("seed"), json.at("options")};
}

/// `metric` names the curve of the metric: "accuracy" gives "accuracy_curve".
inline nlohmann::ordered_json to_json(const Run& run, const std::string& metric) {
  return {{"method", run.key.method},
          {"learning_rate", run.key.learning_rate},
          {"seed", run.key.seed},
          {"value", run.value},
          {"further_metrics", run.further_metrics},
          {"final_loss", run.final_loss},
          {"trainable_parameters", run.trainable_parameters},
          {"optimizer_state_bytes", run.optimizer_state_bytes},
          {"optimizer_ms_per_step", run.optimizer_ms_per_step},
          {"seconds", run.seconds},
          {"options", run.key.options},
          {"curve", run.loss_curve},
          {metric + "_curve", run.metric_curve},
          {"step_curves", run.step_curves}};
}

/// \throws nlohmann::json::exception if `json` is not what to_json writes.
inline Run run_from_json(const nlohmann::json& json, const std::string& metric) {
  Run run;
  run.key = key_from_json(json);
  run.value = detail::number_or_nan(json.at("value"));
  if (json.contains("further_metrics")) {
    for (const auto& [name, value] : json.at("further_metrics").items()) {
      run.further_metrics[name] = detail::number_or_nan(value);
    }
  }
  run.final_loss = detail::number_or_nan(json.at("final_loss"));
  run.trainable_parameters = json.at("trainable_parameters");
  run.optimizer_state_bytes = json.at("optimizer_state_bytes");
  run.optimizer_ms_per_step = json.at("optimizer_ms_per_step");
  run.seconds = json.at("seconds");
  run.loss_curve = detail::curve_from_json(json.at("curve"));
  run.metric_curve = detail::curve_from_json(json.at(metric + "_curve"));
  if (json.contains("step_curves")) {
    for (const auto& [name, curve] : json.at("step_curves").items()) {
      run.step_curves[name] = detail::curve_from_json(curve);
    }
  }
  return run;
}

}  // namespace examples

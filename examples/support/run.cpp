// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "run.hpp"

#include "method.hpp"

namespace examples {

namespace detail {

double number_or_nan(const nlohmann::json& json) {
  return json.is_null() ? std::numeric_limits<double>::quiet_NaN() : json.get<double>();
}

Curve curve_from_json(const nlohmann::json& json) {
  Curve curve;
  for (const auto& point : json) {
    curve.emplace_back(point.at(0).get<std::int64_t>(), number_or_nan(point.at(1)));
  }
  return curve;
}

}  // namespace detail

RunKey pretraining_key(const std::string& recipe) {
  return {"pretraining", 0, 0, {{"recipe", recipe}}};
}

nlohmann::json to_json(const RunKey& key) {
  return {{"method", key.method},
          {"learning_rate", key.learning_rate},
          {"seed", key.seed},
          {"options", key.options}};
}

RunKey key_from_json(const nlohmann::json& json) {
  RunKey key{json.at("method"), json.at("learning_rate"), json.at("seed"), json.at("options")};
  // Older files have an alpha, which does nothing, for methods without adapters too.
  const auto method = method_named(key.method);
  if (method && !info(*method).trains_adapters) key.options.erase("alpha");
  return key;
}

nlohmann::ordered_json to_json(const Run& run, const std::string& metric) {
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

Run run_from_json(const nlohmann::json& json, const std::string& metric) {
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

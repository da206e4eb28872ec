// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "rope.hpp"

#include <cmath>  // std::pow

#include "json_fields.hpp"

namespace examples::llm {
namespace {

constexpr double kTwoPi = 6.283185307179586;

/// What llama3 divides a frequency by: waves that the original length holds more than
/// high_freq_factor times stay, those that it holds fewer than low_freq_factor times are stretched.
double llama3_frequency(const RopeConfig& rope, double frequency) {
  const double wave = kTwoPi / frequency, length = rope.original_positions;
  if (wave < length / rope.high_freq_factor) return frequency;
  if (wave > length / rope.low_freq_factor) return frequency / rope.factor;
  const double share =
      (length / wave - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor);
  return (1 - share) * frequency / rope.factor + share * frequency;
}

double required(const JsonFields& fields, const std::string& key) {
  const auto value = fields.positive(key);
  if (!value) fields.fail(key, "expected a number, got none");
  return *value;
}

/// What `rope_scaling` or `rope_parameters` say.
void read_scaling(const JsonFields& fields, RopeConfig& rope) {
  rope.theta = fields.positive("rope_theta").value_or(rope.theta);
  if (fields.positive("partial_rotary_factor").value_or(1) != 1)
    fields.fail("partial_rotary_factor", "expected none, as it is not supported");
  if (fields.has("mrope_section"))
    fields.fail("mrope_section", "expected none, as it is not supported");
  const std::string kind = fields.text("rope_type", fields.text("type", "default"));
  if (kind == "default") return;
  if (kind == "linear") {
    rope.kind = RopeConfig::Kind::linear;
    rope.factor = required(fields, "factor");
  } else if (kind == "llama3") {
    rope.kind = RopeConfig::Kind::llama3;
    rope.factor = required(fields, "factor");
    rope.low_freq_factor = required(fields, "low_freq_factor");
    rope.high_freq_factor = required(fields, "high_freq_factor");
    rope.original_positions = required(fields, "original_max_position_embeddings");
    if (rope.high_freq_factor <= rope.low_freq_factor)
      fields.fail("high_freq_factor", "expected more than low_freq_factor");
  } else if (kind == "dynamic") {
    rope.kind = RopeConfig::Kind::dynamic;
  } else {
    fields.fail("rope_type", "expected default, linear, llama3 or dynamic, got " +
                                 lorapro::io::detail::quoted_name(kind));
  }
}

}  // namespace

std::vector<double> RopeConfig::frequencies(Index head_dim) const {
  std::vector<double> out;
  for (Index i = 0; i < head_dim / 2; ++i) {
    double f = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
    if (kind == Kind::linear) f /= factor;
    if (kind == Kind::llama3) f = llama3_frequency(*this, f);
    if (!divisors.empty()) f /= divisors.at(static_cast<std::size_t>(i));
    out.push_back(f);
  }
  return out;
}

RopeConfig rope_from_json(const nlohmann::json& config, const std::string& name) {
  RopeConfig rope;
  const JsonFields fields(config, name);
  rope.theta = fields.positive("rope_theta").value_or(rope.theta);
  for (const char* const key : {"rope_parameters", "rope_scaling"}) {
    const nlohmann::json* const part = fields.find(key);
    if (part == nullptr) continue;
    if (!part->is_object())
      fields.fail(key, "expected an object, got " + lorapro::io::detail::shown(*part));
    for (const auto& [inner, value] : part->items())
      if (value.is_object())
        fields.fail(key, "expected one rope for all layers, got one for " +
                             lorapro::io::detail::quoted_name(inner));
    read_scaling(JsonFields(*part, name + ": " + key), rope);
    break;
  }
  return rope;
}

}  // namespace examples::llm

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/error.hpp>
#include <lorapro/optim/optimizer_config.hpp>

#include <set>      // std::set
#include <utility>  // std::pair

LORAPRO_NAMESPACE_BEGIN
namespace io {
namespace detail {

// The names of enumerators in files.
inline constexpr std::pair<DecayTarget, const char*> kDecayTargets[] = {
    {DecayTarget::adapter, "adapter"}, {DecayTarget::merged, "merged"}};
inline constexpr std::pair<ClipNorm, const char*> kClipNorms[] = {
    {ClipNorm::none, "none"},
    {ClipNorm::equivalent_gradient, "equivalent_gradient"},
    {ClipNorm::adapter, "adapter"}};
inline constexpr std::pair<Gauge, const char*> kGauges[] = {
    {Gauge::sylvester, "sylvester"}, {Gauge::balanced, "balanced"}, {Gauge::zero, "zero"}};
inline constexpr std::pair<LrSchedule::Shape, const char*> kScheduleShapes[] = {
    {LrSchedule::Shape::constant, "constant"},
    {LrSchedule::Shape::linear, "linear"},
    {LrSchedule::Shape::cosine, "cosine"}};
constexpr const auto& names_of(DecayTarget) { return kDecayTargets; }
constexpr const auto& names_of(ClipNorm) { return kClipNorms; }
constexpr const auto& names_of(Gauge) { return kGauges; }
constexpr const auto& names_of(LrSchedule::Shape) { return kScheduleShapes; }

/// The fields of a group in a file. A new field is one more line: files that lack it give the
/// default.
template <typename Group, typename Visitor>
void visit_fields_of_group(Group& group, Visitor&& visitor) {
  visitor("lr", group.lr);
  visitor("loraplus_lr_ratio", group.loraplus_lr_ratio);
  visitor("weight_decay", group.weight_decay);
  visitor("decay_target", group.decay_target);
  visitor("clip_norm", group.clip_norm);
  visitor("max_grad_norm", group.max_grad_norm);
}

/// The fields of an optimizer in a file, besides its groups. Threads are the machine's matter.
template <typename Config, typename Visitor>
void visit_fields_of_optimizer(Config& config, Visitor&& visitor) {
  visitor("beta1", config.beta1);
  visitor("beta2", config.beta2);
  visitor("eps", config.eps);
  visitor("damping", config.damping);
  visitor("max_relative_move", config.max_relative_move);
  visitor("gauge", config.gauge);
  visitor("schedule", config.schedule);
  visitor("seed", config.seed);
}

/// Puts fields into a JSON object.
class FieldWriter {
 public:
  template <typename Field>
  void operator()(const char* name, const Field& field) {
    json_[name] = json_of(field);
  }
  nlohmann::json take() { return std::move(json_); }

 private:
  static nlohmann::json json_of(double value) { return value; }
  static nlohmann::json json_of(std::uint64_t value) { return value; }
  static nlohmann::json json_of(const std::optional<double>& value) {
    return value ? nlohmann::json(*value) : nlohmann::json();
  }
  static nlohmann::json json_of(const LrSchedule& schedule) {
    return {{"shape", json_of(schedule.shape())},
            {"warmup_steps", schedule.warmup_steps()},
            {"total_steps", schedule.total_steps()}};
  }
  template <typename Enum>
  static nlohmann::json json_of(Enum value) {
    for (const auto& [enumerator, name] : names_of(value))
      if (enumerator == value) return name;
    throw ConfigError("expected a named enumerator, got number " +
                      std::to_string(static_cast<int>(value)));
  }

  nlohmann::json json_ = nlohmann::json::object();
};

/// Takes fields out of a JSON object that came from a file.
class FieldReader {
 public:
  /// \param where  for messages. \throws FormatError (not an object).
  FieldReader(const nlohmann::json& json, std::string where)
      : json_(json), where_(std::move(where)) {
    if (!json.is_object()) throw FormatError(where_ + ": expected an object");
  }

  /// Leaves a field that the object lacks as it is. \throws FormatError (another type or name).
  template <typename Field>
  void operator()(const char* name, Field& field) {
    seen_.insert(name);
    const auto found = json_.find(name);
    if (found != json_.end()) read(name, *found, field);
  }

  /// \throws FormatError if the object has a field that nobody has asked for.
  void finish() const {
    for (const auto& item : json_.items())
      if (seen_.count(item.key()) == 0)
        throw FormatError(where_ + ": expected known options, got " + quoted_name(item.key()));
  }

 private:
  void read(const char* name, const nlohmann::json& json, double& field) const {
    if (!json.is_number()) fail(name, "a number", json);
    field = json.get<double>();
  }
  void read(const char* name, const nlohmann::json& json, std::optional<double>& field) const {
    if (json.is_null()) return field.reset();
    read(name, json, field.emplace());
  }
  void read(const char* name, const nlohmann::json& json, std::uint64_t& field) const {
    if (!json.is_number_unsigned()) fail(name, "a whole number", json);
    field = json.get<std::uint64_t>();
  }
  void read(const char* name, const nlohmann::json& json, std::int64_t& field) const {
    constexpr std::uint64_t kMax = (std::numeric_limits<std::int64_t>::max)();
    if (!json.is_number_integer() ||
        (json.is_number_unsigned() && json.get<std::uint64_t>() > kMax))
      fail(name, "a whole number", json);
    field = json.get<std::int64_t>();
  }
  void read(const char* name, const nlohmann::json& json, LrSchedule& field) const {
    FieldReader reader(json, where_ + ": " + name);
    auto shape = field.shape();
    std::int64_t warmup_steps = 0, total_steps = 0;
    reader("shape", shape);
    reader("warmup_steps", warmup_steps);
    reader("total_steps", total_steps);
    reader.finish();
    try {
      field = shape == LrSchedule::Shape::constant ? LrSchedule::constant(warmup_steps)
              : shape == LrSchedule::Shape::linear ? LrSchedule::linear(warmup_steps, total_steps)
                                                   : LrSchedule::cosine(warmup_steps, total_steps);
    } catch (const ConfigError& error) {
      throw FormatError(where_ + ": " + name + ": " + error.what());
    }
  }
  template <typename Enum>
  void read(const char* name, const nlohmann::json& json, Enum& field) const {
    std::string known;
    for (const auto& [enumerator, text] : names_of(field)) {
      if (json == text) {
        field = enumerator;
        return;
      }
      known += (known.empty() ? "" : " or ") + std::string(text);
    }
    fail(name, known, json);
  }

  [[noreturn]] void fail(const char* name, const std::string& expected,
                         const nlohmann::json& json) const {
    throw FormatError(where_ + ": " + name + ": expected " + expected + ", got " + shown(json));
  }

  const nlohmann::json& json_;
  std::string where_;
  std::set<std::string> seen_;
};

}  // namespace detail

/// The options of a group as a JSON object. \throws ConfigError (an enumerator without a name).
inline nlohmann::json json_of_group(const GroupConfig& group) {
  detail::FieldWriter writer;
  detail::visit_fields_of_group(group, writer);
  return writer.take();
}

/// The options of an optimizer as a JSON object, without its groups and threads. \throws as above.
inline nlohmann::json json_of_optimizer(const OptimizerConfig& config) {
  detail::FieldWriter writer;
  detail::visit_fields_of_optimizer(config, writer);
  return writer.take();
}

/// Options from a JSON object; what it lacks has its default.
/// \param where  the file and the part of it, for messages.
/// \throws FormatError (a type, a name or a value that an option cannot have; unknown options).
inline GroupConfig group_from_json(const nlohmann::json& json, const std::string& where) {
  GroupConfig group;
  detail::FieldReader reader(json, where);
  detail::visit_fields_of_group(group, reader);
  reader.finish();
  try {
    group.validate();
  } catch (const ConfigError& error) {
    throw FormatError(where + ": " + error.what());
  }
  return group;
}

/// The same of an optimizer's options. \throws as above.
inline OptimizerConfig optimizer_from_json(const nlohmann::json& json, const std::string& where) {
  OptimizerConfig config;
  detail::FieldReader reader(json, where);
  detail::visit_fields_of_optimizer(config, reader);
  reader.finish();
  try {
    config.validate();
  } catch (const ConfigError& error) {
    throw FormatError(where + ": " + error.what());
  }
  return config;
}

}  // namespace io
LORAPRO_NAMESPACE_END

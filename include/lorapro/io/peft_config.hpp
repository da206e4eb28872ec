// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/numeric.hpp>
#include <lorapro/io/json_document.hpp>
#include <lorapro/io/module_pattern.hpp>

#include <array>    // std::array
#include <cmath>    // std::sqrt
#include <utility>  // std::pair
#include <vector>   // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace io {

/// Keys of modules with values of their own. The first key that matches a module's path counts:
/// `(.*\.)?(key)` has to match the whole path, the key being a regular expression.
template <typename Value>
using PatternMap = std::vector<std::pair<std::string, Value>>;

namespace detail {

/// Whether a path is one of the names, or ends in one behind a dot: PEFT's rule for lists.
inline bool names_module(const std::vector<std::string>& names, std::string_view path) {
  for (const std::string& name : names) {
    if (path == name) return true;
    if (path.size() > name.size() && path[path.size() - name.size() - 1] == '.' &&
        path.substr(path.size() - name.size()) == name)
      return true;
  }
  return false;
}

}  // namespace detail

/// adapter_config.json of a PEFT LoRA adapter. Fields that are not listed here are kept: a config
/// that was parsed is written with them.
/// \ref PEFT, LoraConfig; defaults as there.
struct PeftConfig {
  std::string base_model_name_or_path;
  Index r = 8;                              ///< rank of modules without an entry in rank_pattern
  double lora_alpha = 8;                    ///< alpha of modules without one in alpha_pattern
  bool use_rslora = false;                  ///< scaling alpha / sqrt(rank), not alpha / rank
  double lora_dropout = 0;                  ///< in [0, 1]
  bool fan_in_fan_out = false;              ///< weights of the base are (in, out)
  std::string bias = "none";                ///< or all, lora_only: biases are in the file as well
  std::string init_lora_weights = "true";   ///< a boolean or a name
  PatternMap<Index> rank_pattern;           ///< order counts
  PatternMap<double> alpha_pattern;         ///< order counts
  std::vector<std::string> target_modules;  ///< paths, or ends of paths behind a dot
  std::string target_pattern;  ///< instead of them: "all-linear", or a pattern of whole paths
  std::vector<std::string> modules_to_save;
  nlohmann::ordered_json document = nlohmann::ordered_json::object();  ///< as it was parsed

  /// \throws FormatError: no such JSON; a field of the wrong type or out of its range; anything
  /// that changes what an adapter computes and is not supported (DoRA and others), by its name.
  static PeftConfig from_document(nlohmann::ordered_json document, const std::string& name);

  /// As above, of a file's text, or of a file. \throws also FileError.
  static PeftConfig parse(std::string_view text, const std::string& name) {
    return from_document(parse_document<nlohmann::ordered_json>(text, name), name);
  }
  static PeftConfig read(const std::filesystem::path& path) {
    return from_document(read_document<nlohmann::ordered_json>(path), path.string());
  }

  /// The text of the file, as PEFT lays it out: keys sorted, two spaces, ASCII.
  std::string text() const;

  Index rank_of(std::string_view path) const {
    const Index* const found = find_pattern(rank_pattern, path);
    return found == nullptr ? r : *found;
  }

  double alpha_of(std::string_view path) const {
    const double* const found = find_pattern(alpha_pattern, path);
    return found == nullptr ? lora_alpha : *found;
  }

  /// Whether a module gets an adapter. A config without targets takes every module.
  bool targets(std::string_view path) const {
    if (!target_pattern.empty())
      return target_pattern == "all-linear" || ModulePattern(target_pattern).matches_whole(path);
    return target_modules.empty() || detail::names_module(target_modules, path);
  }

  bool saves(std::string_view path) const { return detail::names_module(modules_to_save, path); }

  /// Whether training began from another W0 than the base model's: s B A then belongs to that one,
  /// and difference_module has what the base model needs.
  bool changes_base() const {
    for (const char* const name : {"pissa", "olora", "corda", "lora_ga", "loftq"})
      if (init_lora_weights == name) return true;
    return init_lora_weights.rfind("pissa_niter_", 0) == 0;
  }
};

namespace detail {

/// Reads the fields of a config, each with a message of its own.
class PeftFields {
 public:
  using Json = nlohmann::ordered_json;

  PeftFields(const Json& document, const std::string& name) : document_(document), name_(name) {}

  [[noreturn]] void fail(const std::string& field, const std::string& expected,
                         const Json& came) const {
    std::string text = came.dump(-1, ' ', true);
    if (text.size() > 120) text = text.substr(0, 117) + "...";
    throw FormatError(name_ + ": " + field + ": expected " + expected + ", got " + text);
  }

  /// Null where the field is absent or null.
  const Json* find(const char* field) const {
    const auto found = document_.find(field);
    return found == document_.end() || found->is_null() ? nullptr : &*found;
  }

  void read(const char* field, bool& out) const {
    if (const Json* const value = find(field)) {
      if (!value->is_boolean()) fail(field, "true or false", *value);
      out = value->get<bool>();
    }
  }

  void read(const char* field, std::string& out) const {
    if (const Json* const value = find(field)) {
      if (!value->is_string()) fail(field, "a string", *value);
      out = value->get<std::string>();
    }
  }

  void read(const char* field, Index& out) const {
    if (const Json* const value = find(field)) out = rank(field, *value);
  }

  void read(const char* field, double& out) const {
    if (const Json* const value = find(field)) out = number(field, *value);
  }

  void read(const char* field, std::vector<std::string>& out) const {
    if (const Json* const value = find(field)) {
      if (!value->is_array()) fail(field, "a list of strings", *value);
      for (const Json& entry : *value) {
        if (!entry.is_string() || entry.get_ref<const std::string&>().empty())
          fail(field, "a list of names", entry);
        out.push_back(entry.get<std::string>());
      }
    }
  }

  template <typename Value>
  void read(const char* field, PatternMap<Value>& out) const {
    const Json* const map = find(field);
    if (map == nullptr) return;
    if (!map->is_object()) fail(field, "an object", *map);
    for (const auto& [key, value] : map->items()) {
      check_pattern(field, key);
      const std::string entry = std::string(field) + "[" + quoted_name(key) + "]";
      if constexpr (std::is_same_v<Value, Index>) {
        out.emplace_back(key, rank(entry, value));
      } else {
        out.emplace_back(key, number(entry, value));
      }
    }
  }

  void check_pattern(const std::string& field, const std::string& pattern) const {
    try {
      ModulePattern compiled(pattern);
    } catch (const FormatError& error) {
      throw FormatError(name_ + ": " + field + ": " + error.what());
    }
  }

 private:
  Index rank(const std::string& field, const Json& value) const {
    constexpr std::int64_t kLargest = std::int64_t{1} << 31;
    if (!value.is_number_integer() || value.get<std::int64_t>() < 1 ||
        value.get<std::int64_t>() > kLargest)
      fail(field, "a whole number from 1 to 2^31", value);
    return static_cast<Index>(value.get<std::int64_t>());
  }

  double number(const std::string& field, const Json& value) const {
    if (!value.is_number() || !is_finite(value.get<double>())) fail(field, "a number", value);
    return value.get<double>();
  }

  const Json& document_;
  const std::string& name_;
};

/// What changes the function that an adapter computes, or what its tensors are, and is not
/// supported. It has to be absent, null, false or empty.
inline constexpr std::array<const char*, 13> kUnsupportedFields{"use_dora",
                                                                "lora_bias",
                                                                "use_qalora",
                                                                "use_bdlora",
                                                                "target_parameters",
                                                                "layer_replication",
                                                                "megatron_config",
                                                                "trainable_token_indices",
                                                                "arrow_config",
                                                                "velora",
                                                                "monteclora",
                                                                "kasa",
                                                                "alora_invocation_tokens"};

inline bool is_known_init(const std::string& name) {
  constexpr std::string_view kNiter = "pissa_niter_";
  for (const char* const known : {"true", "false", "gaussian", "eva", "olora", "pissa", "corda",
                                  "loftq", "orthogonal", "lora_ga"})
    if (name == known) return true;
  return name.size() > kNiter.size() && name.compare(0, kNiter.size(), kNiter) == 0 &&
         name.find_first_not_of("0123456789", kNiter.size()) == std::string::npos;
}

/// A number as Python would write it: whole ones without a point.
inline nlohmann::ordered_json number_json(double value) {
  if (std::abs(value) < 1e15 && value == std::floor(value)) return static_cast<std::int64_t>(value);
  return value;
}

}  // namespace detail

inline PeftConfig PeftConfig::from_document(nlohmann::ordered_json document,
                                            const std::string& name) {
  PeftConfig out;
  out.document = std::move(document);
  const detail::PeftFields fields(out.document, name);
  std::string type;
  fields.read("peft_type", type);
  if (type != "LORA") fields.fail("peft_type", "\"LORA\"", type);
  for (const char* const field : detail::kUnsupportedFields) {
    const auto* const value = fields.find(field);
    if (value == nullptr || *value == false || (value->is_structured() && value->empty())) continue;
    fields.fail(field, "none, as it is not supported", *value);
  }
  fields.read("base_model_name_or_path", out.base_model_name_or_path);
  fields.read("r", out.r);
  fields.read("lora_alpha", out.lora_alpha);
  fields.read("use_rslora", out.use_rslora);
  fields.read("lora_dropout", out.lora_dropout);
  if (!(out.lora_dropout >= 0 && out.lora_dropout <= 1))
    fields.fail("lora_dropout", "a number in [0, 1]", out.lora_dropout);
  fields.read("fan_in_fan_out", out.fan_in_fan_out);
  fields.read("bias", out.bias);
  if (out.bias != "none" && out.bias != "all" && out.bias != "lora_only")
    fields.fail("bias", "none, all or lora_only", out.bias);
  if (const auto* const init = fields.find("init_lora_weights")) {
    out.init_lora_weights = init->is_string() ? init->get<std::string>() : init->dump();
    if (!detail::is_known_init(out.init_lora_weights))
      fields.fail("init_lora_weights", "a boolean or one of PEFT's names", *init);
  }
  fields.read("rank_pattern", out.rank_pattern);
  fields.read("alpha_pattern", out.alpha_pattern);
  const auto* const targets = fields.find("target_modules");
  if (targets != nullptr && targets->is_string()) {
    fields.read("target_modules", out.target_pattern);
    if (out.target_pattern != "all-linear")
      fields.check_pattern("target_modules", out.target_pattern);
  } else {
    fields.read("target_modules", out.target_modules);
  }
  fields.read("modules_to_save", out.modules_to_save);
  return out;
}

inline std::string PeftConfig::text() const {
  using Json = nlohmann::ordered_json;
  Json fields = document;
  // A number keeps the form it had: 16 and 16.0 are one to us.
  const auto set_number = [&](const char* field, double value) {
    const auto found = fields.find(field);
    if (found == fields.end() || !found->is_number() || found->get<double>() != value)
      fields[field] = detail::number_json(value);
  };
  const auto set_patterns = [&](const char* field, const auto& patterns) {
    Json map = Json::object();
    for (const auto& [key, value] : patterns)
      map[key] = detail::number_json(static_cast<double>(value));
    const auto found = fields.find(field);
    if (found == fields.end() || (found->empty() ? !map.empty() : *found != map))
      fields[field] = map;
  };
  const auto set_default = [&](const char* field, const Json& value) {
    if (!fields.contains(field)) fields[field] = value;
  };
  const auto set_list = [&](const char* field, const std::vector<std::string>& list) {
    const auto found = fields.find(field);
    if (!list.empty()) {
      fields[field] = list;
    } else if (found == fields.end() || !found->empty()) {
      fields[field] = nullptr;
    }
  };
  fields["peft_type"] = "LORA";
  if (!base_model_name_or_path.empty()) {
    fields["base_model_name_or_path"] = base_model_name_or_path;
  } else {
    set_default("base_model_name_or_path", nullptr);
  }
  set_number("r", static_cast<double>(r));
  set_number("lora_alpha", lora_alpha);
  set_number("lora_dropout", lora_dropout);
  fields["use_rslora"] = use_rslora;
  fields["fan_in_fan_out"] = fan_in_fan_out;
  fields["bias"] = bias;
  if (init_lora_weights == "true" || init_lora_weights == "false") {
    fields["init_lora_weights"] = init_lora_weights == "true";
  } else {
    fields["init_lora_weights"] = init_lora_weights;
  }
  set_patterns("rank_pattern", rank_pattern);
  set_patterns("alpha_pattern", alpha_pattern);
  if (!target_pattern.empty()) {
    fields["target_modules"] = target_pattern;
  } else {
    set_list("target_modules", target_modules);
  }
  set_list("modules_to_save", modules_to_save);
  set_default("inference_mode", true);
  set_default("task_type", nullptr);
  set_default("use_dora", false);

  std::vector<std::string> keys;
  for (const auto& item : fields.items()) keys.push_back(item.key());
  std::sort(keys.begin(), keys.end());
  Json sorted = Json::object();
  for (const std::string& key : keys) sorted[key] = fields[key];
  return sorted.dump(2, ' ', true);
}

}  // namespace io
LORAPRO_NAMESPACE_END

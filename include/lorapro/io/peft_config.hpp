// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/json_document.hpp>
#include <lorapro/io/peft_fields.hpp>

#include <algorithm>  // std::sort, std::transform
#include <array>      // std::array
#include <cmath>      // std::floor
#include <utility>    // std::pair
#include <vector>     // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace io {

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

/// Whether a module is one that modules_to_save names, or lies in one. PEFT takes every module
/// whose path ends in a name, be it within a word: classifier also names pre_classifier.
inline bool saved_by(std::string_view name, std::string_view path) {
  for (auto at = path.find(name); at != std::string_view::npos; at = path.find(name, at + 1)) {
    const std::size_t end = at + name.size();
    if (end == path.size() || path[end] == '.') return true;
  }
  return false;
}

/// PEFT compares the names of initialisations without regard to case.
inline std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
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
  bool use_dora = false;                    ///< modules have magnitudes
  double lora_dropout = 0;                  ///< in [0, 1]
  bool fan_in_fan_out = false;              ///< weights of the base are (in, out)
  std::string bias = "none";                ///< or all, lora_only: biases are in the file as well
  std::string init_lora_weights = "true";   ///< a boolean or a name
  PatternMap<Index> rank_pattern;           ///< order counts
  PatternMap<double> alpha_pattern;         ///< order counts
  std::vector<std::string> target_modules;  ///< paths, or ends of paths behind a dot
  std::string
      target_pattern;  ///< instead of them: "all-linear", or Python's pattern of whole paths
  std::vector<std::string> modules_to_save;  ///< ends of paths; what lies in them is saved too
  nlohmann::ordered_json document = nlohmann::ordered_json::object();  ///< as it was parsed
  std::vector<std::string> read_with;  ///< modules that lay beside it when it was read, sorted

  /// \throws FormatError: no such JSON; a field of the wrong type or out of its range; anything
  /// that changes what an adapter computes and is not supported, by its name.
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

  /// Whether target_modules names a module. True without targets, and with a pattern that
  /// ModulePattern does not understand. PeftTargets knows the other fields that take part as well.
  bool targets(std::string_view path) const {
    if (!target_pattern.empty()) {
      if (detail::lower_case(target_pattern) == "all-linear") return true;
      const auto pattern = ModulePattern::understood(target_pattern);
      return !pattern || pattern->matches_whole(path);
    }
    return target_modules.empty() || detail::names_module(target_modules, path);
  }

  /// Whether the tensors of a module are in the file as a whole.
  bool saves(std::string_view path) const {
    return std::any_of(modules_to_save.begin(), modules_to_save.end(),
                       [&](const std::string& name) { return detail::saved_by(name, path); });
  }

  /// Whether training began from another W0 than the base model's: s B A then belongs to that one,
  /// and difference_module has what the base model needs.
  bool changes_base() const {
    const std::string init = detail::lower_case(init_lora_weights);
    for (const char* const name : {"pissa", "olora", "corda", "lora_ga", "loftq"})
      if (init == name) return true;
    return init.rfind("pissa_niter_", 0) == 0;
  }
};

namespace detail {

/// Fields that change the function that an adapter computes, or what its tensors are, and that are
/// not supported: each has to be absent, null, false or empty.
/// \ref LoraConfig of PEFT 0.20; kasa_config of 0.21.
inline constexpr std::array<const char*, 12> kUnsupportedFields{"lora_bias",
                                                                "use_qalora",
                                                                "use_bdlora",
                                                                "target_parameters",
                                                                "layer_replication",
                                                                "megatron_config",
                                                                "trainable_token_indices",
                                                                "arrow_config",
                                                                "velora_config",
                                                                "monteclora_config",
                                                                "kasa_config",
                                                                "alora_invocation_tokens"};

inline bool is_known_init(const std::string& name) {
  constexpr std::string_view kNiter = "pissa_niter_";
  const std::string init = lower_case(name);
  for (const char* const known : {"true", "false", "gaussian", "eva", "olora", "pissa", "corda",
                                  "loftq", "orthogonal", "lora_ga", "mica"})
    if (init == known) return true;
  return init.size() > kNiter.size() && init.compare(0, kNiter.size(), kNiter) == 0 &&
         init.find_first_not_of("0123456789", kNiter.size()) == std::string::npos;
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
  fields.read("use_dora", out.use_dora);
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
  } else {
    fields.read("target_modules", out.target_modules);
  }
  fields.read("modules_to_save", out.modules_to_save);
  const auto is_text = [](const auto& value) { return value.is_string(); };
  fields.check_one_or_list("exclude_modules", "a pattern or a list of names", is_text);
  fields.check_one_or_list("layers_pattern", "a name or a list of names", is_text);
  fields.check_one_or_list("layers_to_transform", "a whole number or a list of such",
                           [](const auto& value) { return value.is_number_integer(); });
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
    std::set<std::string> keys;
    for (const auto& [key, value] : patterns)  // the first of equal ones counts
      if (keys.insert(key).second)
        map.get_ref<Json::object_t&>().push_back(
            {key, detail::number_json(static_cast<double>(value))});
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
  fields["use_dora"] = use_dora;
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

  std::vector<std::string> keys;
  for (const auto& item : fields.items()) keys.push_back(item.key());
  std::sort(keys.begin(), keys.end());
  Json sorted = Json::object();
  for (const std::string& key : keys) sorted[key] = fields[key];
  return sorted.dump(2, ' ', true);
}

}  // namespace io
LORAPRO_NAMESPACE_END

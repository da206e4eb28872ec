// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

// Which modules PEFT 0.20 gives an adapter when it loads a directory, written down from its
// check_target_module_exists, _set_trainable and LoraConfig with std::regex: nothing here calls the
// library.

#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <vector>

namespace peft_rule {

inline bool given(const nlohmann::json& config, const char* field) {
  return config.contains(field) && !config[field].is_null();
}

inline std::vector<std::string> names(const nlohmann::json& value) {
  if (value.is_string()) return {value.get<std::string>()};
  return value.get<std::vector<std::string>>();
}

inline bool in_list(const nlohmann::json& list, const std::string& path) {
  for (const std::string& name : names(list))
    if (path == name ||
        (path.size() > name.size() &&
         path.compare(path.size() - name.size() - 1, std::string::npos, "." + name) == 0))
      return true;
  return false;
}

/// Whether LoraConfig takes the fields at all.
inline bool loads(const nlohmann::json& config) {
  const bool is_pattern = config["target_modules"].is_string();
  if (is_pattern && (given(config, "layers_to_transform") || given(config, "layers_pattern")))
    return false;
  if (!given(config, "layers_pattern") || config["layers_pattern"].empty() ||
      config["layers_pattern"] == "")
    return true;
  return given(config, "layers_to_transform") && config["layers_to_transform"] != 0 &&
         config["layers_to_transform"] != nlohmann::json::array();
}

inline bool in_layers(const nlohmann::json& config, const std::string& path) {
  if (!given(config, "layers_to_transform")) return true;
  const nlohmann::json& layers = config["layers_to_transform"];
  if (layers.is_array() && layers.empty()) return true;
  std::vector<std::string> lists{"[^.]*"};
  if (given(config, "layers_pattern") && config["layers_pattern"] != "" &&
      !config["layers_pattern"].empty())
    lists = names(config["layers_pattern"]);
  for (const std::string& list : lists) {
    std::smatch found;
    if (!std::regex_search(path, found, std::regex("^.*\\." + list + "\\.(\\d+)\\."))) continue;
    const int layer = std::stoi(found[1]);
    if (layers.is_number()) return layers == layer;
    return std::find(layers.begin(), layers.end(), layer) != layers.end();
  }
  return false;
}

/// Whether PEFT makes an adapter for the module and fills it from the file.
inline bool makes(const nlohmann::json& config, const std::string& path) {
  if (!loads(config)) return false;
  if (given(config, "exclude_modules")) {
    const nlohmann::json& excluded = config["exclude_modules"];
    if (excluded.is_string() ? std::regex_match(path, std::regex(excluded.get<std::string>()))
                             : in_list(excluded, path))
      return false;
  }
  // What lies in a saved module gets none; and a module whose path ends in such a name, be it
  // within a word, is wrapped with its adapter in it (_set_trainable), so that its factors are not
  // found.
  if (given(config, "modules_to_save"))
    for (const std::string& name : names(config["modules_to_save"]))
      if (std::regex_match(path, std::regex(".*" + name + "($|\\..*)"))) return false;
  const nlohmann::json& targets = config["target_modules"];
  if (targets.is_string())
    return targets == "all-linear" ||
           std::regex_match(path, std::regex(targets.get<std::string>()));
  const auto list = names(targets);
  if (std::find(list.begin(), list.end(), path) != list.end()) return true;
  return in_list(targets, path) && in_layers(config, path);
}

}  // namespace peft_rule

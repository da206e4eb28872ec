// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/adapter_module.hpp>
#include <lorapro/io/peft_names.hpp>
#include <lorapro/io/peft_targets.hpp>

#include <map>  // std::map

LORAPRO_NAMESPACE_BEGIN
namespace io {
namespace detail {

/// The most frequent value, the smallest of several.
template <typename Value>
Value most_frequent(const std::vector<std::pair<std::string, Value>>& values) {
  std::map<Value, std::size_t> counts;
  for (const auto& entry : values) ++counts[entry.second];
  return std::max_element(counts.begin(), counts.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

/// A path as a key. A dot stays one, since older versions of PEFT find the key of a whole path by
/// its letters alone.
inline std::string key_of(const std::string& path) {
  std::string key;
  for (const char letter : path) {
    if (std::string_view("\\^$*+?{}[]()|").find(letter) != std::string_view::npos) key += '\\';
    key += letter;
  }
  return key;
}

/// Patterns that, with a default, give each path its value. A key also matches longer paths that
/// end in it and, as its dots are any characters, others of its length: those get keys of their
/// own, and the longest comes first, of equal ones the one with the fewest dots.
template <typename Value>
PatternMap<Value> patterns_for(const std::vector<std::pair<std::string, Value>>& values,
                               Value common) {
  PatternMap<Value> out;
  for (const auto& [path, value] : values)
    if (value != common) out.emplace_back(path, value);
  PatternMap<Value> keys;
  for (const auto& [path, value] : out) keys.emplace_back(key_of(path), value);
  const PatternIndex special(keys);
  for (const auto& [path, value] : values)
    if (value == common && special.first_match(path) != PatternIndex::npos)
      out.emplace_back(path, value);
  const auto dots = [](const std::string& path) {
    return std::count(path.begin(), path.end(), '.');
  };
  std::sort(out.begin(), out.end(), [&](const auto& a, const auto& b) {
    if (a.first.size() != b.first.size()) return a.first.size() > b.first.size();
    const auto of_a = dots(a.first), of_b = dots(b.first);
    return of_a != of_b ? of_a < of_b : a.first < b.first;
  });
  for (auto& entry : out) entry.first = key_of(entry.first);
  return out;
}

/// Whether a config gives each path its value already.
template <typename Value>
bool gives(const PatternMap<Value>& patterns, Value common,
           const std::vector<std::pair<std::string, Value>>& values) {
  const PatternIndex index(patterns);
  return std::all_of(values.begin(), values.end(), [&](const auto& entry) {
    const std::size_t found = index.first_match(entry.first);
    return (found == PatternIndex::npos ? common : patterns[found].second) == entry.second;
  });
}

/// Names of modules_to_save under which PEFT wraps no module of factors, and finds all that it
/// wraps. Where a name takes in both, the modules of the whole tensors take its place.
inline std::vector<std::string> fitted_saves(const PeftConfig& config,
                                             const std::vector<std::string>& paths,
                                             const std::vector<ReplacedTensor>& replaced) {
  const bool is_as_read = config.read_with == paths && !replaced.empty();
  const auto touches = [&](const std::string& name) {
    return std::any_of(paths.begin(), paths.end(),
                       [&](const std::string& path) { return saved_by(name, path); });
  };
  std::vector<std::string> out;
  for (const std::string& name : config.modules_to_save) {
    std::set<std::string> modules;
    for (const ReplacedTensor& entry : replaced) {
      const std::string module = entry.name.substr(0, entry.name.rfind('.'));
      if (saved_by(name, module)) modules.insert(module);
    }
    if (!touches(name)) {
      // A name may stand for a module that this model has not.
      if (!modules.empty() || is_as_read) out.push_back(name);
      continue;
    }
    for (const std::string& module : modules)
      if (!touches(module)) out.push_back(module);
  }
  return out;
}

/// Whether the fields of the config make PEFT take all paths, as far as can be known.
inline bool takes_all(const PeftConfig& config, const std::vector<std::string>& paths) {
  const bool is_as_read = config.read_with == paths;
  // Modules that PEFT makes beside those of the file start with s B A = 0, but not with these.
  const std::string init = lower_case(config.init_lora_weights);
  const bool must_be_exact = !config.read_with.empty() || init == "false" || init == "orthogonal";
  if (must_be_exact && !is_as_read) return false;
  const PeftTargets targets(config);
  return std::all_of(paths.begin(), paths.end(), [&](const std::string& path) {
    const Targeted answer = targets.of(path);
    return answer == Targeted::yes || (answer == Targeted::unknown && is_as_read);
  });
}

}  // namespace detail

/// Fits a config to what is written beside it, so that PEFT loads all of it: r, lora_alpha and
/// their patterns, use_rslora, use_dora and modules_to_save; and target_modules, exclude_modules,
/// layers_to_transform and layers_pattern, which stay as they are where PEFT's rule takes each
/// module, or where the config was read with these modules and the rule cannot be told
/// (PeftTargets). Otherwise, and where modules_to_save changes, target_modules lists the paths and
/// the other three are null.
/// \cost about the length of all paths and patterns.
/// \throws ConfigError (no modules; some with rsLoRA or DoRA and some without), FormatError (patterns that
/// were set and are none).
inline PeftConfig fitted_config(PeftConfig config, const AdapterModules& modules,
                                const std::vector<ReplacedTensor>& replaced = {}) {
  if (modules.empty()) throw ConfigError("modules: expected at least one, got none");
  std::vector<std::pair<std::string, Index>> ranks;
  std::vector<std::pair<std::string, double>> alphas;
  std::vector<std::string> paths;
  for (const AdapterModule& module : modules) {
    if (module.use_rslora != modules.front().use_rslora)
      throw ConfigError("use_rslora: expected the same for all modules, got another for " +
                        detail::quoted_name(module.path));
    if (module.is_dora() != modules.front().is_dora())
      throw ConfigError("use_dora: expected the same for all modules, got another for " +
                        detail::quoted_name(module.path));
    ranks.emplace_back(module.path, module.rank);
    alphas.emplace_back(module.path, module.lora_alpha);
    paths.push_back(module.path);
  }
  std::sort(paths.begin(), paths.end());
  config.use_rslora = modules.front().use_rslora;
  config.use_dora = modules.front().is_dora();
  if (!detail::gives(config.rank_pattern, config.r, ranks) ||
      !detail::gives(config.alpha_pattern, config.lora_alpha, alphas)) {
    config.r = detail::most_frequent(ranks);
    config.lora_alpha = detail::most_frequent(alphas);
    config.rank_pattern = detail::patterns_for(ranks, config.r);
    config.alpha_pattern = detail::patterns_for(alphas, config.lora_alpha);
  }
  auto saves = detail::fitted_saves(config, paths, replaced);
  // A name that goes would leave modules to target_modules that it kept from it.
  const bool keeps_saves = saves == config.modules_to_save;
  config.modules_to_save = std::move(saves);
  // PEFT's all-linear takes no embedding.
  const bool has_embedding = std::any_of(modules.begin(), modules.end(),
                                         [](const auto& module) { return module.is_embedding; });
  const bool leaves_out =
      has_embedding && detail::lower_case(config.target_pattern) == "all-linear";
  if (!keeps_saves || leaves_out || !detail::takes_all(config, paths)) {
    config.target_pattern.clear();
    config.target_modules = paths;
    for (const char* const field : {"exclude_modules", "layers_to_transform", "layers_pattern"})
      if (config.document.contains(field)) config.document[field] = nullptr;
  }
  config.read_with = std::move(paths);
  return config;
}

}  // namespace io
LORAPRO_NAMESPACE_END

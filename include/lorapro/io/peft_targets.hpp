// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/peft_config.hpp>

#include <unordered_set>  // std::unordered_set

LORAPRO_NAMESPACE_BEGIN
namespace io {

/// Whether PEFT makes an adapter for a module when it loads a directory. Where it makes none, the
/// factors of the module in the file are dropped without a word.
enum class Targeted { no, yes, unknown };

/// PEFT's choice of modules by target_modules, exclude_modules, layers_to_transform, layers_pattern
/// and modules_to_save together, compiled for many paths.
/// \cost of a path: its length times the number of its dots; with patterns, what ModulePattern
/// takes; with modules_to_save, the length of those names besides.
/// \ref PEFT 0.20, check_target_module_exists and LoraConfig.__post_init__.
class PeftTargets {
 public:
  /// Copies what it needs of the config. \throws nothing: what it cannot read makes unknown
  /// answers.
  explicit PeftTargets(const PeftConfig& config)
      : modules_(config.target_modules),
        pattern_(config.target_pattern),
        excluded_(field(config, "exclude_modules")),
        saved_(config.modules_to_save) {
    read_layers(config);
    for (const std::string& name : saved_) {
      if (is_plain(name)) continue;
      auto pattern = ModulePattern::understood(name);
      if (pattern) {
        saved_patterns_.push_back(std::move(*pattern));
      } else {
        is_saved_known_ = false;
      }
    }
  }

  /// Whether target_modules, as a list, names a module; true where it is no list.
  bool listed(std::string_view path) const {
    return !pattern_.text.empty() || modules_.names.empty() || modules_.covers(path);
  }

  Targeted of(std::string_view path) const {
    if (!loads_) return Targeted::no;
    const Targeted excluded = excludes(path);
    if (excluded == Targeted::yes) return Targeted::no;
    const Targeted chosen = chooses(path);
    return chosen == Targeted::yes && excluded == Targeted::unknown ? Targeted::unknown : chosen;
  }

 private:
  using Json = nlohmann::ordered_json;

  /// Names of which a path is one, or ends in one behind a dot.
  struct Names {
    Names() = default;
    explicit Names(const std::vector<std::string>& list) : names(list.begin(), list.end()) {}

    bool has(std::string_view path) const { return names.count(std::string(path)) != 0; }

    bool covers(std::string_view path) const {
      if (names.empty()) return false;
      for (;;) {
        if (has(path)) return true;
        const auto dot = path.find('.');
        if (dot == std::string_view::npos) return false;
        path.remove_prefix(dot + 1);
      }
    }

    std::unordered_set<std::string> names;
  };

  /// A pattern of whole paths; none if its text is empty.
  struct Pattern {
    Pattern() = default;
    explicit Pattern(const std::string& pattern) : text(pattern) {
      if (!text.empty()) compiled = ModulePattern::understood(text);
    }

    Targeted matches(std::string_view path) const {
      // Python counts characters where ModulePattern counts bytes.
      if (!compiled || !is_ascii(path) || !is_ascii(text)) return Targeted::unknown;
      return compiled->matches_whole(path) ? Targeted::yes : Targeted::no;
    }

    std::string text;
    std::optional<ModulePattern> compiled;
  };

  struct NamesOrPattern {
    Names names;
    Pattern pattern;
  };

  static bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > 0 && c < 0x7f; });
  }

  /// Whether a name stands for itself where PEFT takes it as a regular expression.
  static bool is_plain(std::string_view name) {
    return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '_' || c == '-';
    });
  }

  static const Json* find(const PeftConfig& config, const char* name) {
    const auto found = config.document.find(name);
    return found == config.document.end() || found->is_null() ? nullptr : &*found;
  }

  static NamesOrPattern field(const PeftConfig& config, const char* name) {
    NamesOrPattern out;
    const Json* const value = find(config, name);
    if (value == nullptr) return out;
    if (value->is_string()) {
      out.pattern = Pattern(value->get<std::string>());
    } else {
      for (const Json& entry : *value)
        if (entry.is_string()) out.names.names.insert(entry.get<std::string>());
    }
    return out;
  }

  void read_layers(const PeftConfig& config) {
    const Json* const layers = find(config, "layers_to_transform");
    const Json* const patterns = find(config, "layers_pattern");
    const bool has_pattern =
        patterns != nullptr && (patterns->is_string() ? *patterns != "" : !patterns->empty());
    const bool has_layers = layers != nullptr && !(layers->is_array() && layers->empty());
    // LoraConfig refuses these, and takes layer 0 by itself for none.
    if (has_pattern && (!has_layers || *layers == 0)) loads_ = false;
    if (!pattern_.text.empty() && (layers != nullptr || patterns != nullptr)) loads_ = false;
    if (!has_layers) return;
    by_layer_ = true;
    const auto add_layer = [&](const Json& layer) {
      if (layer.is_number_integer()) layers_.insert(layer.get<std::int64_t>());
    };
    const auto add_pattern = [&](const Json& pattern) {
      if (pattern.is_string()) layer_patterns_.push_back(pattern.get<std::string>());
      if (!pattern.is_string() || !is_plain(layer_patterns_.back())) are_layers_known_ = false;
    };
    if (layers->is_array()) {
      for (const Json& layer : *layers) add_layer(layer);
    } else {
      add_layer(*layers);
    }
    if (!has_pattern) return;
    if (patterns->is_array()) {
      for (const Json& pattern : *patterns) add_pattern(pattern);
    } else {
      add_pattern(*patterns);
    }
  }

  Targeted excludes(std::string_view path) const {
    for (const std::string& name : saved_)
      if (detail::saved_by(name, path)) return Targeted::yes;
    for (auto end = path.find('.');; end = path.find('.', end + 1)) {
      for (const ModulePattern& pattern : saved_patterns_)
        if (pattern.matches_suffix(path.substr(0, end))) return Targeted::yes;
      if (end == std::string_view::npos) break;
    }
    if (excluded_.names.covers(path)) return Targeted::yes;
    if (!is_saved_known_) return Targeted::unknown;
    return excluded_.pattern.text.empty() ? Targeted::no : excluded_.pattern.matches(path);
  }

  Targeted chooses(std::string_view path) const {
    if (detail::lower_case(pattern_.text) == "all-linear") return linear(path);
    if (!pattern_.text.empty()) return pattern_.matches(path);
    if (modules_.names.empty()) return Targeted::unknown;  // by the architecture
    const bool is_exact = modules_.has(path);
    if (!is_exact && !modules_.covers(path)) return Targeted::no;
    if (!by_layer_) return Targeted::yes;
    const Targeted chosen = in_layers(path);
    if (!is_exact || chosen == Targeted::yes) return chosen;
    // A path of its own needs no layer, but PEFT shortens long lists of paths.
    constexpr std::size_t kShortens = 20;
    return modules_.names.size() < kShortens ? Targeted::yes : Targeted::unknown;
  }

  /// all-linear leaves the head out, which has many names.
  static Targeted linear(std::string_view path) {
    const std::string_view name = path.substr(path.rfind('.') + 1);
    for (const char* const head : {"lm_head", "embed_out", "output", "output_layer", "proj_out",
                                   "decoder", "score", "classifier"})
      if (name == head) return Targeted::unknown;
    return Targeted::yes;
  }

  /// The layer is the last whole number between dots that has a name before and one behind it:
  /// of any list of layers, or of the first layers_pattern that has one.
  Targeted in_layers(std::string_view path) const {
    if (!are_layers_known_) return Targeted::unknown;
    if (layer_patterns_.empty()) return chosen_layer(last_layer(path, ""));
    for (const std::string& pattern : layer_patterns_) {
      const std::string_view layer = last_layer(path, pattern);
      if (!layer.empty()) return chosen_layer(layer);
    }
    return Targeted::no;
  }

  static std::string_view last_layer(std::string_view path, std::string_view list) {
    std::string_view found, name;
    for (std::size_t before = 0;; ++before) {
      const auto dot = path.find('.');
      if (dot == std::string_view::npos) break;
      const std::string_view part = path.substr(0, dot);
      const bool is_number = !part.empty() && part.find_first_not_of("0123456789") == part.npos;
      if (before >= 2 && is_number && (list.empty() || name == list)) found = part;
      name = part;
      path.remove_prefix(dot + 1);
    }
    return found;
  }

  Targeted chosen_layer(std::string_view digits) const {
    if (digits.empty()) return Targeted::no;
    digits.remove_prefix((std::min)(digits.find_first_not_of('0'), digits.size() - 1));
    constexpr std::size_t kMostDigits = 18;  // of an index that fits
    if (digits.size() > kMostDigits) return Targeted::no;
    const bool is_chosen = layers_.count(std::stoll(std::string(digits))) != 0;
    return is_chosen ? Targeted::yes : Targeted::no;
  }

  Names modules_;
  Pattern pattern_;
  NamesOrPattern excluded_;
  std::vector<std::string> saved_;
  std::vector<ModulePattern> saved_patterns_;  // of names that may also stand for others
  std::unordered_set<std::int64_t> layers_;
  std::vector<std::string> layer_patterns_;
  bool loads_ = true;  // whether LoraConfig takes the fields together
  bool by_layer_ = false;
  bool are_layers_known_ = true;
  bool is_saved_known_ = true;
};

}  // namespace io
LORAPRO_NAMESPACE_END

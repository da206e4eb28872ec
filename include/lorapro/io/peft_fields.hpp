// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/finite.hpp>
#include <lorapro/core/numeric.hpp>
#include <lorapro/io/error.hpp>
#include <lorapro/io/pattern_map.hpp>

LORAPRO_NAMESPACE_BEGIN
namespace io {
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
      const std::string entry = std::string(field) + "[" + quoted_name(key) + "]";
      if constexpr (std::is_same_v<Value, Index>) {
        out.emplace_back(key, rank(entry, value));
      } else {
        out.emplace_back(key, number(entry, value));
      }
    }
    try {
      PatternIndex understood(out);
    } catch (const FormatError& error) {
      throw FormatError(name_ + ": " + field + ": " + error.what());
    }
  }

  /// Of a field that PEFT takes as one value or as a list of such.
  template <typename IsOne>
  void check_one_or_list(const char* field, const std::string& expected,
                         const IsOne& is_one) const {
    const Json* const value = find(field);
    if (value == nullptr || is_one(*value)) return;
    if (!value->is_array()) fail(field, expected, *value);
    for (const Json& entry : *value)
      if (!is_one(entry)) fail(field, expected, entry);
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

}  // namespace detail
}  // namespace io
LORAPRO_NAMESPACE_END

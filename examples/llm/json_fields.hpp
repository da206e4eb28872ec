// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/io/error.hpp>
#include <cmath>  // std::isfinite
#include <cstdint>
#include <optional>
#include <string>

namespace examples::llm {

/// The fields of an object in a JSON file, checked one by one. Null counts as missing, as Python
/// writes None.
class JsonFields {
 public:
  /// \param place  of the object, for messages: the file, and the keys that lead to it.
  JsonFields(const nlohmann::json& object, std::string place)
      : object_(object), place_(std::move(place)) {}

  [[noreturn]] void fail(const std::string& key, const std::string& problem) const {
    throw lorapro::FormatError(place_ + ": " + key + ": " + problem);
  }

  /// Null where there is none.
  const nlohmann::json* find(const std::string& key) const {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  bool has(const std::string& key) const { return find(key) != nullptr; }

  std::optional<std::int64_t> integer(const std::string& key, std::int64_t least,
                                      std::int64_t most = std::int64_t{1} << 31) const {
    const nlohmann::json* const value = find(key);
    if (value == nullptr) return std::nullopt;
    // A number beyond 2^63 - 1 would come out as a negative one.
    const bool fits = value->is_number_integer() &&
                      !(value->is_number_unsigned() &&
                        value->get<std::uint64_t>() > static_cast<std::uint64_t>(most));
    if (!fits || value->get<std::int64_t>() < least || value->get<std::int64_t>() > most)
      fail(key, "expected a whole number from " + std::to_string(least) + " to " +
                    std::to_string(most) + ", got " + lorapro::io::detail::shown(*value));
    return value->get<std::int64_t>();
  }

  /// A positive size that has to be there.
  std::int64_t size(const std::string& key) const {
    const auto value = integer(key, 1);
    if (!value) fail(key, "expected a whole number, got none");
    return *value;
  }

  /// A finite number above 0.
  std::optional<double> positive(const std::string& key) const {
    const nlohmann::json* const value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_number() || !std::isfinite(value->get<double>()) || value->get<double>() <= 0)
      fail(key, "expected a number above 0, got " + lorapro::io::detail::shown(*value));
    return value->get<double>();
  }

  bool boolean(const std::string& key, bool fallback) const {
    const nlohmann::json* const value = find(key);
    if (value == nullptr) return fallback;
    if (!value->is_boolean())
      fail(key, "expected true or false, got " + lorapro::io::detail::shown(*value));
    return value->get<bool>();
  }

  std::string text(const std::string& key, const std::string& fallback) const {
    const nlohmann::json* const value = find(key);
    if (value == nullptr) return fallback;
    if (!value->is_string())
      fail(key, "expected a string, got " + lorapro::io::detail::shown(*value));
    return value->get<std::string>();
  }

 private:
  const nlohmann::json& object_;
  std::string place_;
};

}  // namespace examples::llm

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/io/json_document.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace examples::llm {

/// A value in a JSON document and where it stands, for messages. A key without a value and one of
/// null are the same: neither says anything.
class JsonPlace {
 public:
  /// \param file  the name of the document; both outlive this object, as does what it returns.
  JsonPlace(const nlohmann::json& document, std::string file)
      : value_(&document), place_(std::move(file)), separator_(": ") {}

  explicit operator bool() const { return !value_->is_null(); }
  const nlohmann::json& value() const { return *value_; }
  bool is_text() const { return value_->is_string(); }
  bool is_list() const { return value_->is_array(); }
  bool is_object() const { return value_->is_object(); }

  /// The value of a key, null where there is none. \throws FormatError (not an object).
  JsonPlace operator[](const char* key) const {
    static const nlohmann::json kNull;
    if (!is_object()) fail("an object");
    const auto found = value_->find(key);
    return {found == value_->end() ? kNull : *found, place_ + separator_ + key, "."};
  }

  /// Calls visit(place) for each element. \throws FormatError (not a list).
  template <typename Visitor>
  void for_each(Visitor&& visit) const {
    if (!is_list()) fail("a list");
    for (std::size_t k = 0; k < value_->size(); ++k)
      visit(JsonPlace((*value_)[k], place_ + "[" + std::to_string(k) + "]", "."));
  }

  /// Calls visit(key, place) for each entry. \throws FormatError (not an object).
  template <typename Visitor>
  void for_each_entry(Visitor&& visit) const {
    if (!is_object()) fail("an object");
    for (const auto& [key, value] : value_->items())
      visit(key,
            JsonPlace(value, place_ + separator_ + lorapro::io::detail::quoted_name(key), "."));
  }

  /// \throws FormatError (not text).
  const std::string& text() const {
    if (!is_text()) fail("text");
    return value_->get_ref<const std::string&>();
  }
  std::string text_or(std::string_view otherwise) const {
    return *this ? text() : std::string(otherwise);
  }

  /// \throws FormatError (neither true nor false).
  bool flag_or(bool otherwise) const {
    if (!*this) return otherwise;
    if (!value_->is_boolean()) fail("true or false");
    return value_->get<bool>();
  }

  /// \throws FormatError (not a whole number from 0 to less than `end`).
  std::int32_t number_below(std::size_t end) const {
    if (!value_->is_number_unsigned() || value_->get<std::uint64_t>() >= end)
      fail("a whole number from 0 to " + std::to_string(end - 1));
    return value_->get<std::int32_t>();
  }

  [[noreturn]] void fail(const std::string& expected) const {
    throw lorapro::FormatError(place_ + ": expected " + expected + ", got " +
                               (*this ? lorapro::io::detail::shown(*value_) : "nothing"));
  }

 private:
  JsonPlace(const nlohmann::json& value, std::string place, const char* separator)
      : value_(&value), place_(std::move(place)), separator_(separator) {}

  const nlohmann::json* value_;
  std::string place_;
  const char* separator_;
};

}  // namespace examples::llm

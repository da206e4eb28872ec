// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <utf8proc.h>

#include <cstdlib>  // std::free
#include <memory>   // std::unique_ptr
#include <stdexcept>
#include <string>
#include <string_view>

namespace examples::nn {

/// Calls `visit(code_point)` for each code point of the UTF-8 text.
/// \throws std::invalid_argument if it is not UTF-8.
template <typename Visitor>
void for_each_code_point(std::string_view utf8, Visitor&& visit) {
  const auto* next = reinterpret_cast<const utf8proc_uint8_t*>(utf8.data());
  auto left = static_cast<utf8proc_ssize_t>(utf8.size());
  while (left > 0) {
    utf8proc_int32_t code_point = 0;
    const utf8proc_ssize_t bytes = utf8proc_iterate(next, left, &code_point);
    if (bytes <= 0) throw std::invalid_argument("the text is not UTF-8");
    visit(static_cast<char32_t>(code_point));
    next += bytes;
    left -= bytes;
  }
}

inline std::u32string code_points(std::string_view utf8) {
  std::u32string text;
  for_each_code_point(utf8, [&](char32_t code_point) { text.push_back(code_point); });
  return text;
}

/// The code points of the text in Unicode's normalization form KC.
/// \throws std::invalid_argument if it is not UTF-8.
inline std::u32string nfkc(std::string_view utf8) {
  utf8proc_uint8_t* normalized = nullptr;
  const utf8proc_ssize_t bytes = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(utf8.data()),
      static_cast<utf8proc_ssize_t>(utf8.size()), &normalized,
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT));
  const std::unique_ptr<utf8proc_uint8_t, void (*)(void*)> owner(normalized, std::free);
  if (bytes < 0) throw std::invalid_argument(utf8proc_errmsg(bytes));
  return code_points({reinterpret_cast<const char*>(normalized), static_cast<std::size_t>(bytes)});
}

}  // namespace examples::nn

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "unicode_text.hpp"

#include <lorapro/core/error.hpp>
#include <utf8proc.h>

#include <algorithm>  // std::all_of
#include <array>
#include <cstdlib>  // std::free
#include <memory>   // std::unique_ptr

namespace examples::llm {

namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

bool is_space(char32_t c) {
  return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

CharClass looked_up_class(char32_t c) {
  if (c == '\n' || c == '\r') return CharClass::line_break;
  if (is_space(c)) return CharClass::space;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return CharClass::letter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return CharClass::number;
    default:
      return CharClass::other;
  }
}

/// The bytes of text[at...] that are a code point, or the longest beginning of one, at least 1.
struct Subpart {
  std::size_t bytes;
  bool complete;
};

Subpart subpart(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t k) { return static_cast<unsigned char>(text[k]); };
  const unsigned lead = byte(at);
  if (lead < 0x80) return {1, true};
  if (lead < 0xc2 || lead > 0xf4) return {1, false};
  const std::size_t length = code_point_bytes(text[at]);
  for (std::size_t k = 1; k < length; ++k) {
    if (at + k == text.size()) return {k, false};
    // The second byte alone decides about overlong forms, surrogates and the upper end.
    unsigned low = 0x80, high = 0xbf;
    if (k == 1 && lead == 0xe0) low = 0xa0;
    if (k == 1 && lead == 0xed) high = 0x9f;
    if (k == 1 && lead == 0xf0) low = 0x90;
    if (k == 1 && lead == 0xf4) high = 0x8f;
    if (byte(at + k) < low || byte(at + k) > high) return {k, false};
  }
  return {length, true};
}

}  // namespace

CharClass char_class(char32_t code_point) {
  static const std::array<CharClass, 128> kAscii = [] {
    std::array<CharClass, 128> classes{};
    for (char32_t c = 0; c < classes.size(); ++c) classes[c] = looked_up_class(c);
    return classes;
  }();
  return code_point < kAscii.size() ? kAscii[code_point] : looked_up_class(code_point);
}

char32_t next_code_point(std::string_view text, std::size_t& at) {
  const std::size_t length = code_point_bytes(text[at]);
  const auto byte = [&](std::size_t k) -> char32_t {
    return static_cast<unsigned char>(text[at + k]);
  };
  char32_t out = length == 1 ? byte(0) : byte(0) & (0xffU >> (length + 1));
  for (std::size_t k = 1; k < length; ++k) out = out << 6U | (byte(k) & 0x3fU);
  at += length;
  return out;
}

std::string repaired_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Subpart part = subpart(text, at);
    out += part.complete ? text.substr(at, part.bytes) : kReplacement;
    at += part.bytes;
  }
  return out;
}

std::string nfc(std::string_view text) {
  // Nothing below U+0300 combines with what precedes it.
  const bool is_normal = std::all_of(text.begin(), text.end(),
                                     [](char c) { return static_cast<unsigned char>(c) < 0xcc; });
  if (is_normal) return std::string(text);
  utf8proc_uint8_t* normalized = nullptr;
  const utf8proc_ssize_t bytes =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &normalized,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, void (*)(void*)> owner(normalized, std::free);
  if (bytes < 0)
    throw lorapro::ConfigError("text: expected UTF-8 (" + std::string(utf8proc_errmsg(bytes)) +
                               ")");
  return {reinterpret_cast<const char*>(normalized), static_cast<std::size_t>(bytes)};
}

}  // namespace examples::llm

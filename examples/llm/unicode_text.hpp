// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace examples::llm {

/// The general categories that pre-tokenizers tell apart: L, N, white space (line feed and carriage
/// return for themselves) and all else.
enum class CharClass : std::uint8_t { letter, number, line_break, space, other };

CharClass char_class(char32_t code_point);

/// The code point of valid UTF-8 that begins at text[at]; `at` moves behind it.
char32_t next_code_point(std::string_view text, std::size_t& at);

/// The bytes of the code point of valid UTF-8 that begins with this one.
inline std::size_t code_point_bytes(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

/// The text with U+FFFD in place of what is not UTF-8, one for each longest beginning of a code
/// point, as Python and browsers decode it.
/// \ref The Unicode Standard 15, section 3.9, "U+FFFD Substitution of Maximal Subparts".
std::string repaired_utf8(std::string_view text);

/// Valid UTF-8 in Unicode's normalization form C.
std::string nfc(std::string_view text);

}  // namespace examples::llm

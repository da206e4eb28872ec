// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "byte_alphabet.hpp"

#include <array>

#include "unicode_text.hpp"

namespace examples::llm {

namespace {

constexpr unsigned kOthers = 68;  // bytes that are not written as themselves

bool is_itself(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

/// The byte of each code point, or -1.
const std::array<int, 256 + kOthers>& bytes_of_code_points() {
  static const auto kBytes = [] {
    std::array<int, 256 + kOthers> bytes{};
    bytes.fill(-1);
    std::size_t next = 0x100;
    for (unsigned byte = 0; byte < 256; ++byte)
      bytes[is_itself(byte) ? byte : next++] = static_cast<int>(byte);
    return bytes;
  }();
  return kBytes;
}

}  // namespace

std::optional<std::string> bytes_of_alphabet(std::string_view text) {
  const auto& bytes = bytes_of_code_points();
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t code_point = next_code_point(text, at);
    if (code_point >= bytes.size() || bytes[code_point] < 0) return std::nullopt;
    out.push_back(static_cast<char>(bytes[code_point]));
  }
  return out;
}

}  // namespace examples::llm

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/utf8.hpp>

#include <cstdint>
#include <string>

#include "support/catch.hpp"

namespace {

using lorapro::io::is_utf8;

/// The bytes of a code point by the table of RFC 3629, surrogates included.
std::string encoded(std::uint32_t point) {
  const auto byte = [](std::uint32_t bits) { return static_cast<char>(bits); };
  const auto tail = [&](int shift) { return byte(0x80 | (point >> shift & 0x3f)); };
  if (point < 0x80) return {byte(point)};
  if (point < 0x800) return {byte(0xc0 | point >> 6), tail(0)};
  if (point < 0x10000) return {byte(0xe0 | point >> 12), tail(6), tail(0)};
  return {byte(0xf0 | point >> 18), tail(12), tail(6), tail(0)};
}

TEST_CASE("every code point but the surrogates is UTF-8", "[utf8]") {
  int wrong = 0;
  for (std::uint32_t point = 0; point < 0x120000; ++point) {
    const bool surrogate = point >= 0xd800 && point < 0xe000;
    if (is_utf8(encoded(point)) == (surrogate || point > 0x10ffff)) ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE("texts that are not UTF-8", "[utf8]") {
  CHECK(is_utf8(""));
  CHECK(is_utf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z"));
  for (const char* text : {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc3", "a\xc3(", "\xe0\x9f\xbf",
                           "\xe2\x82", "\xe2(\xac", "\xf0\x8f\xbf\xbf", "\xf0\x9f\x98", "\xf5\x80",
                           "\xf0\x9f\x98(", "\xff", "\xfe"})
    CHECK_FALSE(is_utf8(text));
}

}  // namespace

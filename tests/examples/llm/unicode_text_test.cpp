// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "llm/unicode_text.hpp"

#include <lorapro/io/utf8.hpp>

#include "support/catch.hpp"

using examples::llm::char_class;
using examples::llm::CharClass;
using examples::llm::repaired_utf8;

TEST_CASE("letters, numbers, white space and line breaks are told apart") {
  for (const char32_t c : {U'a', U'Z', U'é', U'\u01c5', U'\u02b0', U'漢', U'\U00020000'})
    CHECK(char_class(c) == CharClass::letter);
  for (const char32_t c : {U'0', U'9', U'\u0663', U'\u2168', U'½', U'\u00b2', U'\U0001d7d8'})
    CHECK(char_class(c) == CharClass::number);
  for (const char32_t c : {U'\n', U'\r'}) CHECK(char_class(c) == CharClass::line_break);
  for (const char32_t c : {U' ', U'\t', U'\v', U'\f', U'\u0085', U'\u00a0', U'\u1680', U'\u2000',
                           U'\u200a', U'\u2028', U'\u2029', U'\u202f', U'\u205f', U'\u3000'})
    CHECK(char_class(c) == CharClass::space);
  for (const char32_t c : {U'.', U'_', U'\0', U'\x1c', U'\u0301', U'\u200b', U'\ufeff', U'\u180e',
                           U'\u2581', U'\U0001f600', U'\U0010ffff'})
    CHECK(char_class(c) == CharClass::other);
}

TEST_CASE("code points are read one after the other") {
  const std::string text = "a\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x98\x80";
  std::size_t at = 0;
  std::u32string points;
  while (at < text.size()) points.push_back(examples::llm::next_code_point(text, at));
  CHECK(points == U"aé漢\U0001f600");
}

TEST_CASE("each longest beginning of a code point becomes one U+FFFD") {
  const std::string mark = "\xef\xbf\xbd";
  CHECK(repaired_utf8("fine \xc3\xa9") == "fine \xc3\xa9");
  // The Unicode Standard, table 3-8 to 3-11.
  CHECK(repaired_utf8("\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41") ==
        mark + mark + mark + mark + mark + mark + mark + mark + "A");
  CHECK(repaired_utf8("\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41") ==
        mark + mark + mark + mark + mark + mark + mark + mark + "A");
  CHECK(repaired_utf8("\xf4\x91\x92\x93\xff\x41\x80\xbf\x42") ==
        mark + mark + mark + mark + mark + "A" + mark + mark + "B");
  CHECK(repaired_utf8("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41") == mark + mark + mark + mark + "A");
  CHECK(repaired_utf8("\xf0\x9f\x98") == mark);
}

TEST_CASE("normalization form C composes and orders") {
  CHECK(examples::llm::nfc("plain \xc3\xa9") == "plain \xc3\xa9");
  CHECK(examples::llm::nfc("e\xcc\x81") == "\xc3\xa9");
  CHECK(examples::llm::nfc("\xe2\x84\xab") == "\xc3\x85");                              // Angstrom
  CHECK(examples::llm::nfc("\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8") == "\xea\xb0\x81");  // Hangul
  CHECK(examples::llm::nfc("a\xcc\x81\xcc\xa3") == "\xe1\xba\xa1\xcc\x81");  // dot below first
}

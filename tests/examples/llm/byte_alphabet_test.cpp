// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "llm/byte_alphabet.hpp"

#include "support/catch.hpp"

using examples::llm::bytes_of_alphabet;

TEST_CASE("bytes that cannot be printed are written as U+0100 and what follows") {
  CHECK(bytes_of_alphabet("\u0100") == std::string(1, '\0'));
  CHECK(bytes_of_alphabet("\u010a\u0120\u0121\u0142\u0143") == "\n \x7f\xa0\xad");
  CHECK(bytes_of_alphabet("!~\u00a1\u00ac\u00ae\u00ff") == "!~\xa1\xac\xae\xff");
  CHECK(bytes_of_alphabet("") == "");
  for (const char* const other : {" ", "\n", "\u00a0", "\u00ad", "\u0144", "\u2581", "\U0001f600"})
    CHECK_FALSE(bytes_of_alphabet(other));
}

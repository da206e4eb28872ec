// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/error.hpp>

#include "support/catch.hpp"

namespace {

namespace io = lorapro::io;

TEST_CASE("names from a file are quoted, escaped and cut in messages", "[io][error]") {
  CHECK(io::detail::quoted_name("lora_A") == "\"lora_A\"");
  CHECK(io::detail::quoted_name("a\n\"b\"") == R"("a\n\"b\"")");
  CHECK(io::detail::quoted_name("\xff") == R"("\ufffd")");
  const std::string message = io::detail::quoted_name(std::string(100000, 'x'));
  CHECK(message == '"' + std::string(120, 'x') + "...\"");
  // A cut in the middle of a character.
  CHECK(io::detail::quoted_name(std::string(119, 'x') + "\xc3\xa9") ==
        '"' + std::string(119, 'x') + "\\ufffd...\"");
}

}  // namespace

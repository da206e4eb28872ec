// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/error.hpp>

#include <cerrno>  // ENOENT

#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace {

namespace io = lorapro::io;

TEMPLATE_TEST_CASE("errors of files are lorapro Errors", "[io][error]", io::FormatError,
                   io::FileError) {
  const auto f = [] { throw TestType("words"); };
  CHECK(message_of<TestType>(f) == "words");
  CHECK(message_of<lorapro::Error>(f) == "words");
}

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

TEST_CASE("a refusal of the system is told with its reason", "[io][error]") {
  CHECK(message_of<io::FileError>([] { io::detail::fail_file("some/file", "cannot be opened"); }) ==
        "some/file: cannot be opened");
  const std::string message = message_of<io::FileError>(
      [] { io::detail::fail_file("some/file", "cannot be opened", ENOENT); });
  CHECK(message == "some/file: cannot be opened (" + std::generic_category().message(ENOENT) + ")");
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/core/file_error.hpp>

#include <cerrno>  // ENOENT

#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace {

TEMPLATE_TEST_CASE("errors of files are lorapro Errors", "[error]", lorapro::FormatError,
                   lorapro::FileError) {
  const auto f = [] { throw TestType("words"); };
  CHECK(message_of<TestType>(f) == "words");
  CHECK(message_of<lorapro::Error>(f) == "words");
}

TEST_CASE("a refusal of the system is told with its reason", "[error]") {
  CHECK(message_of<lorapro::FileError>([] {
          lorapro::detail::fail_file("some/file", "cannot be opened");
        }) == "some/file: cannot be opened");
  const std::string message = message_of<lorapro::FileError>(
      [] { lorapro::detail::fail_file("some/file", "cannot be opened", ENOENT); });
  CHECK(message == "some/file: cannot be opened (" + std::generic_category().message(ENOENT) + ")");
}

}  // namespace

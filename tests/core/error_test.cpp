// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/core/error.hpp>

#include <limits>  // std::numeric_limits

#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace {

TEMPLATE_TEST_CASE("every exception is a lorapro Error and a runtime_error", "[error]",
                   lorapro::ShapeError, lorapro::ConfigError, lorapro::StateError) {
  const auto f = [] { throw TestType("words"); };
  CHECK(message_of<TestType>(f) == "words");
  CHECK(message_of<lorapro::Error>(f) == "words");
  CHECK(message_of<std::runtime_error>(f) == "words");
}

TEST_CASE("a shape error names the argument, what was expected and what came", "[error]") {
  CHECK_NOTHROW(lorapro::checks::shape("grad_A", 8, 4096, 8, 4096));
  const auto message = [](std::int64_t rows, std::int64_t cols) {
    return message_of<lorapro::ShapeError>(
        [&] { lorapro::checks::shape("grad_A", rows, cols, 8, 4096); });
  };
  CHECK(message(8, 4095) == "grad_A: expected (8, 4096), got (8, 4095)");
  CHECK(message(7, 4096) == "grad_A: expected (8, 4096), got (7, 4096)");
  CHECK(message(4096, 8) == "grad_A: expected (8, 4096), got (4096, 8)");
}

TEST_CASE("a config error names the field, what was expected and what came", "[error]") {
  CHECK_NOTHROW(lorapro::checks::config(true, "rank", "a number >= 1", 0));
  CHECK(message_of<lorapro::ConfigError>([] {
          lorapro::checks::config(false, "rank", "a number >= 1", 0);
        }) == "rank: expected a number >= 1, got 0");
  CHECK(message_of<lorapro::ConfigError>([] {
          lorapro::checks::config(false, "damping", "a finite number >= 0", -0.5);
        }) == "damping: expected a finite number >= 0, got -0.5");
  CHECK(message_of<lorapro::ConfigError>([] {
          lorapro::checks::config(false, "damping", "a finite number >= 0",
                                  std::numeric_limits<double>::infinity());
        }) == "damping: expected a finite number >= 0, got inf");
}

}  // namespace

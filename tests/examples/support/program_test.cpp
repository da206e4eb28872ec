// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/support/program.hpp"

#include <stdexcept>  // std::runtime_error

#include "support/catch.hpp"

namespace {

template <typename Error>
int code_of(const Error& error) {
  return examples::run_program("program", "remedy", [&] { throw error; });
}

TEST_CASE("the exit code tells a user's mistake, missing data and other errors apart",
          "[program]") {
  CHECK(examples::run_program("program", "remedy", [] {}) == 0);
  CHECK(code_of(examples::UsageError("--rank", "is wrong")) == 2);
  CHECK(code_of(lorapro::ConfigError("rank: is wrong")) == 2);
  CHECK(code_of(examples::DataMissing("no data")) == examples::kExitDataMissing);
  CHECK(code_of(std::runtime_error("broken")) == 1);
}

}  // namespace

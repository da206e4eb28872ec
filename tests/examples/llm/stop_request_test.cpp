// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/llm/stop_request.hpp"

#include "support/catch.hpp"

namespace {

int handled_by_others = 0;

TEST_CASE("the first signal is a request, and handlers come back", "[stop_request]") {
  const auto before = std::signal(SIGINT, [](int) { ++handled_by_others; });
  {
    const examples::llm::StopRequest stop;
    CHECK_FALSE(stop.requested());
    std::raise(SIGINT);
    CHECK(stop.requested());
  }
  std::raise(SIGINT);
  CHECK(handled_by_others == 1);
  CHECK_FALSE(examples::llm::StopRequest().requested());
  std::signal(SIGINT, before);
}

}  // namespace

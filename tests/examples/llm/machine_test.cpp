// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/llm/machine.hpp"

#include <fstream>
#include <string>

#include "support/catch.hpp"

namespace {

TEST_CASE("a machine has no more memory than its kernel says", "[machine][may_skip]") {
  std::ifstream file("/proc/meminfo");
  std::string name;
  std::uint64_t kilobytes = 0;
  if (!(file >> name >> kilobytes) || name != "MemTotal:") skip_test("no /proc/meminfo");
  CHECK(examples::llm::machine_memory() > std::uint64_t{1} << 20);
  CHECK(examples::llm::machine_memory() <= 1024 * kilobytes + 4096);
}

TEST_CASE("products take time", "[machine]") {
  const double speed = examples::llm::product_speed(1);
  CHECK(speed > 1e6);
  CHECK(speed < 1e14);
}

}  // namespace

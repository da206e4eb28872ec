// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/support/python_parser.hpp"

#include <cstdlib>  // std::system

#include "support/catch.hpp"
#include "support/scratch_folder.hpp"

namespace {

TEST_CASE("Python says what it can parse", "[python_parser][may_skip]") {
  if (std::system("python3 -c '' 2> /dev/null") != 0) skip_test("there is no python3");
  const ScratchFolder folder;
  const auto parsed = examples::parsed_by_python(
      {"def f(x):\n    return x + 1\n", "def f(x:\n", "x = 'it''s'\n", "\x80\xff\n", ""},
      folder.path() / "it's here");
  REQUIRE(parsed.has_value());
  CHECK(*parsed == std::vector<bool>{true, false, true, false, true});
  CHECK(std::filesystem::is_empty(folder.path() / "it's here"));
}

}  // namespace

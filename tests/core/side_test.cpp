// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/core/side.hpp>

#include <vector>  // std::vector

#include "support/catch.hpp"

namespace {

using lorapro::PerSide;
using lorapro::Side;

TEST_CASE("each side has its own", "[side]") {
  CHECK(lorapro::other(Side::A) == Side::B);
  CHECK(lorapro::other(Side::B) == Side::A);
  PerSide<int> two{1, 2};
  two[Side::A] += 10;
  CHECK(two.A == 11);
  CHECK(two[Side::B] == 2);
  std::vector<int> seen;
  for (int& value : two) seen.push_back(value--);
  CHECK(seen == std::vector<int>{11, 2});
  const PerSide<int> after = two;
  int sum = 0;
  for (const int& value : after) sum += value;
  CHECK(sum == 11);
}

}  // namespace

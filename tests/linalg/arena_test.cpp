// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
// Compiled alone, with assertions that throw.
#include <stdexcept>  // std::logic_error

#define eigen_assert(condition)                           \
  do {                                                    \
    if (!(condition)) throw std::logic_error(#condition); \
  } while (false)

#include <lorapro/linalg/arena.hpp>

#include <utility>  // std::move

#include "support/catch.hpp"

namespace {

using lorapro::Arena;
using lorapro::Workspace;

TEST_CASE("an arena hands out blocks that stay where they are", "[arena]") {
  Arena arena(4 + 3);
  const lorapro::Square square = arena.square(2);
  double* const vector = arena.vector(3);
  CHECK_NOTHROW(arena.close());
  CHECK(vector == square.data() + 4);
  for (int i = 0; i < 3; ++i) CHECK(vector[i] == 0);
  square(1, 1) = 5;
  const Arena moved = std::move(arena);
  CHECK(square(1, 1) == 5);
}

TEST_CASE("an arena of the wrong size is found out", "[arena]") {
  Arena small(6);
  (void)small.square(2);
  CHECK_THROWS_AS(small.vector(3), std::logic_error);
  CHECK_THROWS_AS(small.close(), std::logic_error);
  (void)small.vector(2);
  CHECK_NOTHROW(small.close());
}

TEST_CASE("what a function takes of a workspace is free again", "[arena]") {
  double memory[5] = {};
  const Workspace workspace(memory, 5);
  const auto take = [](Workspace own) {
    (void)own.square(2);
    return own.vector(1);
  };
  CHECK(take(workspace) == memory + 4);
  CHECK(take(workspace) == memory + 4);
  Workspace own = workspace;
  (void)own.vector(2);
  CHECK_THROWS_AS(own.square(2), std::logic_error);
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adjust/side_coefficients.hpp>

#include "support/catch.hpp"

namespace {

using lorapro::Index;
using lorapro::OwnedCoefficients;

TEST_CASE("coefficients of an arena fill it and are scaled together", "[side_coefficients]") {
  for (const Index rank : {1, 3}) {
    lorapro::Arena arena(2 * OwnedCoefficients::size(rank));
    const OwnedCoefficients a = OwnedCoefficients::in(arena, rank);
    const OwnedCoefficients b = OwnedCoefficients::in(arena, rank);
    CHECK_NOTHROW(arena.close());
    a.on_grad(0, 0) = 2;
    a.on_factor(rank - 1, rank - 1) = 3;
    b.on_grad(0, 0) = 5;
    a.scale(-0.5);
    const lorapro::SideCoefficients read = a;
    CHECK(read.on_grad(0, 0) == -1);
    CHECK(read.on_factor(rank - 1, rank - 1) == -1.5);
    CHECK(b.on_grad(0, 0) == 5);
  }
}

}  // namespace

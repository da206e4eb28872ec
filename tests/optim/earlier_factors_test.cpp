// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/earlier_factors.hpp>

#include "support/factor_bench.hpp"
#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::Side;

TEST_CASE("what is kept beside earlier factors comes to the present ones", "[earlier_factors]") {
  PairBuffers<double> before(40, 30, 3, 1.0, 1), now(40, 30, 3, 1.0, 2);
  FactorBench of_before(before), of_now(now);
  REQUIRE((of_before.inspected && of_now.inspected));
  lorapro::EarlierFactors<double> earlier({40, 30, 3});
  lorapro::Buffer<double> memory(2 * lorapro::square_size(3));
  lorapro::Workspace workspace(memory);
  const lorapro::Square inverse = workspace.square(3), moved = workspace.square(3);
  const auto transport = [&](Side side) {
    earlier.measure(lorapro::other(side), of_now.pair[lorapro::other(side)].value,
                    of_now.scratch.wide);
    (void)lorapro::shifted_inverse(of_now.solver.spectra().of(lorapro::other(side)), 0, inverse,
                                   of_now.scratch.wide);
    earlier.transport(side, inverse, moved);
    return real_of(moved);
  };
  // None so far: everything becomes zero.
  CHECK(max_abs(transport(Side::A)) == 0);
  for (const Side side : lorapro::kSides)
    earlier.keep(side, of_before.pair[side].value, of_before.team);
  // B X is the projection of B' X' on the range of B, so that what is left is orthogonal to B.
  const RealMatrix X = random_matrix(3, 30, 5), Y = random_matrix(40, 3, 6);
  const Factors f = now.factors(), g = before.factors();
  const RealMatrix rest = product(g.B, X) - product(f.B, product(transport(Side::A), X));
  CHECK(max_abs(rest) > 0.1);
  CHECK(max_abs(product(transposed(f.B), rest)) < 1e-11);
  const RealMatrix other_rest =
      product(Y, g.A) - product(product(Y, transposed(transport(Side::B))), f.A);
  CHECK(max_abs(other_rest) > 0.1);
  CHECK(max_abs(product(other_rest, transposed(f.A))) < 1e-11);
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/moving_bases.hpp>

#include "support/factor_bench.hpp"
#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::Side;

/// U of A's moments is B Z^T, of B's A^T Z^T.
RealMatrix basis_of(Side side, const Factors& f, const RealMatrix& Z) {
  return product(side == Side::A ? f.B : transposed(f.A), transposed(Z));
}

TEST_CASE("bases are orthonormal and know how they have turned", "[moving_bases]") {
  PairBuffers<double> before(40, 30, 3, 1.0, 1), now(40, 30, 3, 1.0, 2);
  FactorBench of_before(before), of_now(now);
  lorapro::MovingBases<double> bases({40, 30, 3});
  bases.compute(of_before.pair, of_before.solver.spectra(), of_before.team);
  lorapro::PerSide<RealMatrix> old;
  for (const Side side : lorapro::kSides) {
    CHECK(max_abs(real_of(bases.K(side))) == 0);  // there was none
    old[side] = basis_of(side, before.factors(), real_of(bases.Z(side)));
  }
  bases.keep(of_before.pair, of_before.team);
  bases.compute(of_now.pair, of_now.solver.spectra(), of_now.team);
  for (const Side side : lorapro::kSides) {
    const RealMatrix U = basis_of(side, now.factors(), real_of(bases.Z(side)));
    CHECK(max_abs(product(transposed(U), U) - RealMatrix::Identity(3, 3)) < 1e-12);
    CHECK(max_abs(product(transposed(U), old[side]) - real_of(bases.K(side))) < 1e-12);
  }
}

TEST_CASE("a factor of zeros has no basis", "[moving_bases]") {
  PairBuffers<double> buffers(40, 30, 3, 1.0, 1, 0.0);
  FactorBench bench(buffers);
  lorapro::MovingBases<double> bases({40, 30, 3});
  bases.compute(bench.pair, bench.solver.spectra(), bench.team);
  CHECK(max_abs(real_of(bases.Z(Side::A))) == 0);
  CHECK(max_abs(real_of(bases.Z(Side::B))) > 0);
}

}  // namespace

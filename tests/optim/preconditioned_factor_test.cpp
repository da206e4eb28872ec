// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/preconditioned_factor.hpp>

#include <lorapro/optim/sgd_rule.hpp>

#include "support/factor_bench.hpp"
#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::Side;
using Preconditioned = lorapro::PreconditionedFactor<lorapro::SgdRule, double>;

TEST_CASE("a factor moves along its gradient times a matrix", "[preconditioned_factor]") {
  PairBuffers<double> buffers(40, 30, 2, 1.0, 1);
  buffers.backpropagate(random_matrix(40, 30, 3));
  const Factors f = buffers.factors(), g = buffers.gradients();
  FactorBench bench(buffers);
  REQUIRE(bench.inspected);
  for (lorapro::Factor& factor : bench.pair) {
    factor.lr = 0.5;
    factor.decay = 0.75;
  }
  auto sides = Preconditioned::of({40, 30, 2});
  RealMatrix M(2, 2);
  M << 2, 1, -1, 3;
  for (Preconditioned& side : sides) {
    for (Index i = 0; i < 2; ++i)
      for (Index k = 0; k < 2; ++k) side.matrix()(i, k) = static_cast<double>(M(i, k));
    REQUIRE(side.set(bench.step(), 1.0));
    side.update(bench.step());
  }
  const Real half = Real(1) / 2, kept = Real(3) / 4;
  CHECK(max_abs(buffers.factors().A - (kept * f.A - half * product(M, g.A))) < 1e-12);
  CHECK(max_abs(buffers.factors().B - (kept * f.B - half * product(g.B, transposed(M)))) < 1e-12);
}

TEST_CASE("what would overflow is told before anything moves", "[preconditioned_factor]") {
  PairBuffers<double> buffers(40, 30, 2, 1.0, 1);
  buffers.backpropagate(random_matrix(40, 30, 3));
  FactorBench bench(buffers);
  Preconditioned side(Side::B, {40, 30, 2});
  side.matrix()(0, 0) = std::numeric_limits<double>::max();
  CHECK_FALSE(side.set(bench.step(), 1.0));
  side.matrix()(0, 0) = 1;
  CHECK(side.set(bench.step(), 1.0));
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adjust/tangent_momentum.hpp>

#include "support/projected_momentum.hpp"
#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::Index;
using reference::product;
using reference::RealMatrix;
using reference::transposed;
using support::norm;
using support::ProjectedMomentum;

TEST_CASE("a momentum is projected on the tangent space", "[tangent_momentum]") {
  LORAPRO_TEST_RANDOM(random, 32);
  const Index m = 12, n = 9;
  for (const Index r : {1, 3, 9}) {
    CAPTURE(r);
    const RealMatrix A = random.matrix(r, n), B = random.matrix(m, r), M = random.matrix(m, n);
    const RealMatrix expected = reference::tangent_projection(A, B, M);
    CHECK(norm(ProjectedMomentum(A, B, M).dense() - expected) < 1e-10 * norm(expected));
  }
}

TEST_CASE("a projection takes what survives of factors without full rank",
          "[tangent_momentum][trap]") {
  LORAPRO_TEST_RANDOM(random, 33);
  const Index m = 12, n = 9, r = 3;
  const RealMatrix A = random.matrix(r, n), M = random.matrix(m, n);
  RealMatrix B = random.matrix(m, r);
  B.col(2) = B.col(0);
  const RealMatrix expected = reference::tangent_projection(A, B, M, 1e-9L);
  CHECK(norm(ProjectedMomentum(A, B, M).dense() - expected) < 1e-10 * norm(expected));
  const RealMatrix zero = RealMatrix::Zero(m, r);
  const RealMatrix from_A = product(M, reference::projector(transposed(A)));
  CHECK(norm(ProjectedMomentum(A, zero, M).dense() - from_A) < 1e-12 * norm(M));
  CHECK(norm(ProjectedMomentum(RealMatrix::Zero(r, n), zero, M).dense()) == 0);
}

TEST_CASE("a projection does not see how far the factors' scales are apart",
          "[tangent_momentum][trap]") {
  LORAPRO_TEST_RANDOM(random, 35);
  const Index m = 12, n = 9, r = 3;
  const RealMatrix A = random.matrix(r, n), B = random.matrix(m, r), M = random.matrix(m, n);
  const RealMatrix expected = reference::tangent_projection(A, B, M);
  for (const lorapro::Wide scale : {1e-150, 1e-70, 1e70, 1e150}) {
    CAPTURE(scale);
    const RealMatrix dense = ProjectedMomentum(reference::Real(scale) * A, B / scale, M).dense();
    CHECK(norm(dense - expected) < 1e-10 * norm(expected));
  }
}

TEST_CASE("transport to other factors is exact", "[tangent_momentum][trap]") {
  LORAPRO_TEST_RANDOM(random, 34);
  const Index m = 12, n = 9;
  for (const Index r : {1, 3, 9})
    for (const double start : {0.0, 1.0}) {
      CAPTURE(r, start);
      const RealMatrix A = random.matrix(r, n), B = random.matrix(m, r, start);
      const RealMatrix A_new = random.matrix(r, n), B_new = random.matrix(m, r);
      ProjectedMomentum before(A, B, random.matrix(m, n));
      const RealMatrix M = before.dense();
      const reference::Pair moved = before.seen(A_new, transposed(B_new));
      CHECK(norm(moved.A - product(transposed(B_new), M)) < 1e-11 * norm(M));
      CHECK(norm(moved.B - product(A_new, transposed(M))) < 1e-11 * norm(M));
      // Projected there, it is P_T(M) of the new tangent space.
      ProjectedMomentum after(A_new, B_new, M);
      after.a.array = reference::rounded<double>(moved.A);
      after.b.array = reference::rounded<double>(moved.B);
      after.project();
      CHECK(norm(after.dense() - reference::tangent_projection(A_new, B_new, M)) < 1e-10 * norm(M));
    }
}

}  // namespace

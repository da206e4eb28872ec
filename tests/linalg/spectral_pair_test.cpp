// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/linalg/spectral_pair.hpp>

#include <vector>  // std::vector

#include "support/random.hpp"
#include "support/squares.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::Index;
using lorapro::Spectrum;
using reference::Real;
using reference::RealMatrix;
using Matrix = lorapro::RowMatrix<double>;

Matrix gram(const RealMatrix& F) {
  return reference::rounded<double>(reference::product(F, reference::transposed(F)));
}

bool compute(lorapro::SpectralPair& pair, const Matrix& gram_A, const Matrix& gram_B,
             double storage_eps) {
  std::vector<double> scratch(
      static_cast<std::size_t>(lorapro::SpectralPair::scratch_size(pair.rank())));
  return pair.compute(support::square(gram_A), support::square(gram_B), storage_eps,
                      support::workspace(scratch));
}

void check_spectrum(const Spectrum& spectrum, const Matrix& S, Index rank) {
  const Index r = S.rows();
  RealMatrix V(r, r), scaled(r, r);
  for (Index i = 0; i < r; ++i) {
    CHECK(spectrum.values[i] >= 0);
    CHECK(spectrum.values[i] <= spectrum.largest);
    for (Index j = 0; j < r; ++j) {
      V(i, j) = spectrum.vectors(i, j);
      scaled(i, j) = spectrum.values[i] * V(i, j);
    }
  }
  CHECK(support::distance(reference::product(reference::transposed(V), scaled), S) <=
        support::tolerance<double>(4, static_cast<double>(r), 1, S.norm()));
  CHECK(spectrum.rank == rank);
}

TEST_CASE("a SpectralPair decomposes both Gram matrices", "[spectral_pair]") {
  LORAPRO_TEST_RANDOM(random, 41);
  for (const Index r : {1, 2, 8, 13}) {
    CAPTURE(r);
    const Matrix Q = gram(random.matrix(r, r + 4)), P = gram(random.matrix(r, r + 6));
    lorapro::SpectralPair pair(r);
    CHECK(pair.rank() == r);
    REQUIRE(compute(pair, Q, P, 0));
    check_spectrum(pair.Q(), Q, r);
    check_spectrum(pair.P(), P, r);
    const double eps = std::numeric_limits<double>::epsilon();
    CHECK(pair.Q().cutoff == static_cast<double>(r) * eps * pair.Q().largest);
    CHECK(pair.P().cutoff == static_cast<double>(r) * eps * pair.P().largest);
  }
}

TEST_CASE("numerical rank of rank-deficient Gram matrices", "[spectral_pair]") {
  LORAPRO_TEST_RANDOM(random, 42);
  for (const Index r : {2, 5, 16})
    for (Index rank = 0; rank < r; rank += 2) {
      CAPTURE(r, rank);
      const RealMatrix F = reference::product(random.matrix(r, rank), random.matrix(rank, r + 5));
      const Matrix S = gram(F), full = gram(random.matrix(r, r + 9));
      lorapro::SpectralPair pair(r);
      REQUIRE(compute(pair, S, full, 0));
      check_spectrum(pair.Q(), S, rank);
      check_spectrum(pair.P(), full, r);
      REQUIRE(compute(pair, full, S, 0));
      check_spectrum(pair.Q(), full, r);
      check_spectrum(pair.P(), S, rank);
    }
}

TEST_CASE("[trap] the cutoff is relative, not absolute", "[spectral_pair][trap]") {
  LORAPRO_TEST_RANDOM(random, 43);
  const RealMatrix F = random.conditioned(4, 9, 1e3);
  lorapro::SpectralPair pair(4);
  REQUIRE(compute(pair, gram(F), gram(F), 0));
  const double cutoff = pair.Q().cutoff;
  for (const int exponent : {-60, -20, 20, 60}) {
    const RealMatrix scaled = std::ldexp(Real(1), exponent) * F;
    REQUIRE(compute(pair, gram(scaled), gram(F), 0));
    CHECK(pair.Q().rank == 4);
    // Powers of two: the same bits but for the exponent.
    CHECK(pair.Q().cutoff == std::ldexp(cutoff, 2 * exponent));
    CHECK(pair.P().cutoff == cutoff);
  }
}

TEST_CASE("a coarse storage type lifts the cutoff", "[spectral_pair]") {
  LORAPRO_TEST_RANDOM(random, 44);
  const Matrix S = gram(random.conditioned(4, 9, 1e3));  // eigenvalues 1, 1e-2, 1e-4, 1e-6
  lorapro::SpectralPair pair(4);
  REQUIRE(compute(pair, S, S, lorapro::storage_epsilon<float>()));
  CHECK(pair.Q().rank == 4);
  REQUIRE(compute(pair, S, S, lorapro::storage_epsilon<lorapro::bfloat16>()));
  CHECK(pair.Q().cutoff == 4 * 0x1.0p-14 * pair.Q().largest);
  CHECK(pair.Q().rank == 2);
}

TEST_CASE("not finite on either side is told", "[spectral_pair]") {
  const Matrix good = Matrix::Identity(3, 3);
  Matrix bad = good;
  bad(2, 1) = std::numeric_limits<double>::quiet_NaN();
  lorapro::SpectralPair pair(3);
  CHECK(compute(pair, good, good, 0));
  CHECK_FALSE(compute(pair, bad, good, 0));
  CHECK_FALSE(compute(pair, good, bad, 0));
}

TEST_CASE("moving a SpectralPair keeps its spectra", "[spectral_pair]") {
  Matrix diagonal = Matrix::Identity(2, 2);
  diagonal(1, 1) = 4;
  lorapro::SpectralPair pair(2);
  REQUIRE(compute(pair, diagonal, diagonal, 0));
  const lorapro::SpectralPair moved(std::move(pair));
  CHECK(moved.Q().largest == 4);
  CHECK(moved.Q().values[0] + moved.Q().values[1] == 5);
}

}  // namespace

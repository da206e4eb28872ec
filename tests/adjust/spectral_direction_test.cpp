// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adjust/spectral_direction.hpp>

#include <vector>  // std::vector

#include "support/random.hpp"
#include "support/squares.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::Index;
using lorapro::Side;
using lorapro::Wide;
using reference::product;
using reference::Real;
using reference::RealMatrix;
using reference::transposed;
using support::norm;
using Matrix = lorapro::RowMatrix<double>;

/// U V^T of the singular values above the cutoff.
RealMatrix orthogonal_factor(const RealMatrix& N) {
  const reference::Svd svd = reference::svd(N);
  RealMatrix out = RealMatrix::Zero(N.rows(), N.cols());
  for (std::size_t k = 0; k < svd.values.size(); ++k)
    if (svd.values[k] > 1e-5L * svd.largest()) {
      const auto column = static_cast<Index>(k);
      out += product(RealMatrix(svd.U.col(column)), transposed(RealMatrix(svd.V.col(column))));
    }
  return out;
}

/// What the class gives for the tangent vector N, against the factors times the dense H.
struct Deviation {
  double A, B, cross;
};
Deviation deviation(const RealMatrix& real_A, const RealMatrix& real_B, const RealMatrix& N,
                    double factor) {
  const Index r = real_A.rows();
  const Matrix A = reference::rounded<double>(real_A),
               Bt = reference::rounded<double>(transposed(real_B));
  const Matrix nu_A = reference::rounded<double>(product(transposed(real_B), N)),
               nu_B = reference::rounded<double>(product(real_A, transposed(N)));
  lorapro::SpectralPair spectra(r);
  std::vector<Wide> scratch(
      static_cast<std::size_t>(lorapro::SpectralPair::scratch_size(r) + r * r));
  const Matrix P = Bt * Bt.transpose(), Q = A * A.transpose();
  REQUIRE(spectra.compute(support::square(Q), support::square(P), 0x1.0p-52,
                          support::workspace(scratch)));
  const Matrix cross_A = nu_A * A.transpose(), gram_A = nu_A * nu_A.transpose();
  const Matrix cross_B = nu_B * Bt.transpose(), gram_B = nu_B * nu_B.transpose();
  lorapro::SpectralDirection direction(r);
  REQUIRE(direction.compute(spectra,
                            {{support::square(cross_A), support::square(gram_A)},
                             {support::square(cross_B), support::square(gram_B)}},
                            factor));
  const RealMatrix H = Real(factor) * orthogonal_factor(N);
  const auto on_A = direction[Side::A], on_B = direction[Side::B];
  const RealMatrix seen_A = product(support::real(on_A.on_grad), reference::real(nu_A)) +
                            product(support::real(on_A.on_factor), real_A);
  const RealMatrix seen_B = product(support::real(on_B.on_grad), reference::real(nu_B)) +
                            product(support::real(on_B.on_factor), transposed(real_B));
  Matrix both(r, r), transpose(r, r);
  direction.cross({support::square(both), support::square(transpose)});
  CHECK((transpose - both.transpose()).norm() == 0);
  const RealMatrix left = product(transposed(real_B), H);
  return {norm(seen_A - left), norm(seen_B - product(real_A, transposed(H))),
          norm(reference::real(both) - product(left, transposed(real_A)))};
}

void check(const RealMatrix& A, const RealMatrix& B, const RealMatrix& N, double factor,
           double tolerance) {
  const Deviation d = deviation(A, B, N, factor);
  CHECK(d.A < tolerance * (1 + norm(B)));
  CHECK(d.B < tolerance * (1 + norm(A)));
  CHECK(d.cross < tolerance * (1 + norm(A)) * (1 + norm(B)));
}

TEST_CASE("the direction is the orthogonal factor of the tangent vector", "[spectral_direction]") {
  LORAPRO_TEST_RANDOM(random, 51);
  struct Sizes {
    Index m, n, r;
  };
  for (const Sizes& size : {Sizes{12, 9, 3}, Sizes{9, 12, 1}, Sizes{7, 7, 7}, Sizes{20, 5, 4},
                            Sizes{30, 40, 12}, Sizes{1, 1, 1}, Sizes{1, 8, 1}}) {
    CAPTURE(size.m, size.n, size.r);
    const RealMatrix A = random.matrix(size.r, size.n), B = random.matrix(size.m, size.r, 1e-3);
    const RealMatrix N = reference::tangent_projection(A, B, random.matrix(size.m, size.n, 100));
    check(A, B, N, 1, 1e-9);
    check(A, B, N, -2.5, 1e-9);
  }
}

TEST_CASE("the direction drops singular values below the cutoff", "[spectral_direction][trap]") {
  LORAPRO_TEST_RANDOM(random, 52);
  const Index m = 14, n = 11, r = 3;
  const RealMatrix A = random.matrix(r, n), B = random.matrix(m, r);
  const RealMatrix inside = product(B, product(random.matrix(r, r), A));
  const RealMatrix rest = reference::tangent_projection(A, B, random.matrix(m, n));
  // Rank r alone, with noise below the cutoff, and with a part above it.
  check(A, B, inside, 1, 1e-9);
  check(A, B, inside + 1e-9L * rest, 1, 1e-6);
  check(A, B, inside + 0.01L * rest, 1, 1e-8);
  // One side of the tangent space alone.
  check(A, B, product(B, random.matrix(r, n)), 1, 1e-9);
  check(A, B, product(random.matrix(m, r), A), 1, 1e-9);
}

TEST_CASE("the direction of factors without full rank", "[spectral_direction][trap]") {
  LORAPRO_TEST_RANDOM(random, 53);
  const Index m = 14, n = 11, r = 3;
  const RealMatrix A = random.matrix(r, n);
  RealMatrix B = random.matrix(m, r);
  B.col(1) = B.col(2);
  check(A, B, reference::tangent_projection(A, B, random.matrix(m, n), 1e-9L), 1, 1e-8);
  const RealMatrix zero = RealMatrix::Zero(m, r);
  check(A, zero, product(random.matrix(m, r), A), 1, 1e-9);
  check(A, B, RealMatrix::Zero(m, n), 1, 1e-300);
  check(RealMatrix::Zero(r, n), zero, RealMatrix::Zero(m, n), 1, 1e-300);
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adjust/tangent_momentum.hpp>

#include <vector>  // std::vector

#include "support/random.hpp"
#include "support/squares.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::FactorView;
using lorapro::FrameProducts;
using lorapro::Index;
using lorapro::Side;
using lorapro::Wide;
using reference::product;
using reference::Real;
using reference::RealMatrix;
using reference::transposed;
using support::norm;
using Matrix = lorapro::RowMatrix<double>;

FactorView rank_first(const Matrix& a) { return lorapro::factor_of_A(lorapro::make_view(a)); }

/// What coefficients make of an array and a factor.
RealMatrix combined(const lorapro::SideCoefficients& c, const Matrix& array, const Matrix& factor) {
  return product(support::real(c.on_grad), reference::real(array)) +
         product(support::real(c.on_factor), reference::real(factor));
}

/// One side's array, its factor, and their products with a frame.
struct Seen {
  Matrix array, factor;
  Matrix of_array, of_factor;

  FrameProducts products(const Matrix& frame) {
    const Index r = factor.rows();
    std::vector<Wide> scratch(static_cast<std::size_t>(lorapro::frame_products_scratch(r)));
    of_array.resize(r, r);
    of_factor.resize(r, r);
    const FrameProducts out{support::square(of_array), support::square(of_factor)};
    lorapro::frame_products(rank_first(array), rank_first(factor), rank_first(frame), out,
                            support::workspace(scratch));
    return out;
  }
};

/// A momentum M seen by (B, A), with the r x r algebra to project it.
struct ProjectedMomentum {
  Seen a, b;  // exp_avg_A with A, exp_avg_B^T with B^T
  lorapro::SpectralPair spectra;
  lorapro::TangentMomentum momentum;
  lorapro::TangentImage image;
  std::vector<Wide> scratch;

  ProjectedMomentum(const RealMatrix& A, const RealMatrix& B, const RealMatrix& M)
      : a{reference::rounded<double>(product(transposed(B), M)),
          reference::rounded<double>(A),
          {},
          {}},
        b{reference::rounded<double>(product(A, transposed(M))),
          reference::rounded<double>(transposed(B)),
          {},
          {}},
        spectra(A.rows()),
        momentum(A.rows()),
        image(A.rows()),
        scratch(static_cast<std::size_t>(std::max(8 * A.rows() * A.rows() + 8 * A.rows(),
                                                  lorapro::SpectralPair::scratch_size(A.rows())))) {
    const Matrix Q = a.factor * a.factor.transpose(), P = b.factor * b.factor.transpose();
    REQUIRE(spectra.compute(support::square(Q), support::square(P), 0x1.0p-52,
                            support::workspace(scratch)));
    project();
  }

  void project() {
    copy(momentum.cross(Side::A), a.products(a.factor).array);
    copy(momentum.cross(Side::B), b.products(b.factor).array);
    momentum.project_to_tangent(spectra, support::workspace(scratch));
  }

  /// B x + y^T A.
  RealMatrix dense() const {
    const auto& c = momentum.coefficients();
    const RealMatrix A = reference::real(a.factor), Bt = reference::real(b.factor);
    const RealMatrix x = combined(c[Side::A], a.array, a.factor);
    const RealMatrix y = combined(c[Side::B], b.array, b.factor);
    return product(transposed(Bt), x) + product(transposed(y), A);
  }

  /// What frames see: Z_B T and Z_A T^T.
  reference::Pair seen(const RealMatrix& frame_A, const RealMatrix& frame_B) {
    const FrameProducts with_A = a.products(reference::rounded<double>(frame_A));
    const FrameProducts with_B = b.products(reference::rounded<double>(frame_B));
    image.compute(momentum.coefficients(), {with_A, with_B}, 1.0, support::workspace(scratch));
    return {combined(image[Side::A], a.array, a.factor),
            combined(image[Side::B], b.array, b.factor)};
  }
};

TEST_CASE("frame products are those of dense matrices in any layout", "[tangent_momentum]") {
  LORAPRO_TEST_RANDOM(random, 31);
  for (const Index length : {1, 7, 256, 600}) {
    const Index r = 5;
    const RealMatrix a = random.matrix(r, length), f = random.matrix(r, length),
                     z = random.matrix(r, length);
    const Matrix rows_a = reference::rounded<double>(a), rows_z = reference::rounded<double>(z);
    const Eigen::MatrixXf cols_f = reference::rounded<float>(f);
    std::vector<Wide> scratch(static_cast<std::size_t>(lorapro::frame_products_scratch(r)));
    Matrix grad = Matrix::Constant(r, r, 9), factor = Matrix::Constant(r, r, 9);
    lorapro::frame_products(rank_first(rows_a), lorapro::factor_of_A(lorapro::make_view(cols_f)),
                            rank_first(rows_z), {support::square(grad), support::square(factor)},
                            support::workspace(scratch));
    const double tolerance = 1e-14 * double(length);
    CHECK(norm(reference::real(grad) - product(a, transposed(z))) < tolerance);
    CHECK(norm(reference::real(factor) - product(reference::real(cols_f), transposed(z))) <
          tolerance);
  }
}

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
      // With weighted frames the image is that of D_row M D_col but for the outer weights.
      Matrix cross_A(r, r), cross_B(r, r);
      const FrameProducts with_A = before.a.products(reference::rounded<double>(A_new));
      before.image.cross(with_A, {support::square(cross_A), support::square(cross_B)});
      const RealMatrix both = product(moved.A, transposed(A_new));
      CHECK(norm(reference::real(cross_A) - both) < 1e-10 * norm(M));
      CHECK((cross_B - cross_A.transpose()).norm() == 0);
    }
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adjust/tangent_image.hpp>

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
using support::rank_first;
using Matrix = lorapro::RowMatrix<double>;

TEST_CASE("frame products are those of dense matrices in any layout", "[tangent_image]") {
  LORAPRO_TEST_RANDOM(random, 31);
  for (const Index length : {1, 7, 256, 600}) {
    const Index r = 5;
    const RealMatrix a = random.matrix(r, length), f = random.matrix(r, length),
                     z = random.matrix(r, length);
    const Matrix rows_a = reference::rounded<double>(a), rows_z = reference::rounded<double>(z);
    const Eigen::MatrixXf cols_f = reference::rounded<float>(f);
    std::vector<double> scratch(static_cast<std::size_t>(lorapro::frame_products_scratch(r)));
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

TEST_CASE("an image is what frames see of a tangent vector", "[tangent_image]") {
  LORAPRO_TEST_RANDOM(random, 35);
  const Index m = 12, n = 9;
  for (const Index r : {1, 3, 9}) {
    CAPTURE(r);
    const RealMatrix A = random.matrix(r, n), B = random.matrix(m, r);
    const RealMatrix Z_A = random.matrix(r, n), Z_B = random.matrix(r, m);
    ProjectedMomentum of(A, B, random.matrix(m, n));
    const RealMatrix T = of.dense();
    const reference::Pair seen = of.seen(Z_A, Z_B);
    CHECK(norm(seen.A - product(Z_B, T)) < 1e-11 * norm(T));
    CHECK(norm(seen.B - product(Z_A, transposed(T))) < 1e-11 * norm(T));
    // Both frames at once, from the products with one of them.
    Matrix cross_A(r, r), cross_B(r, r);
    of.image.cross(of.a.products(reference::rounded<double>(Z_A)),
                   {support::square(cross_A), support::square(cross_B)});
    CHECK(norm(reference::real(cross_A) - product(product(Z_B, T), transposed(Z_A))) <
          1e-10 * norm(T));
    CHECK((cross_B - cross_A.transpose()).norm() == 0);
  }
}

TEST_CASE("a factor multiplies the image", "[tangent_image]") {
  LORAPRO_TEST_RANDOM(random, 36);
  ProjectedMomentum of(random.matrix(3, 9), random.matrix(12, 3), random.matrix(12, 9));
  const auto once = of.seen(random.matrix(3, 9), random.matrix(3, 12));
  const RealMatrix before = support::real(of.image[lorapro::Side::A].on_grad);
  of.image.compute(of.momentum.coefficients(),
                   {{support::square(of.a.of_array), support::square(of.a.of_factor)},
                    {support::square(of.b.of_array), support::square(of.b.of_factor)}},
                   -2.0, support::workspace(of.scratch));
  CHECK(norm(support::real(of.image[lorapro::Side::A].on_grad) + 2 * before) == 0);
  CHECK(norm(once.A) > 0);
}

}  // namespace

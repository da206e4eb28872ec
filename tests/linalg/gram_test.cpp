// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/linalg/gram.hpp>

#include <limits>  // std::numeric_limits
#include <vector>  // std::vector

#include "support/random.hpp"
#include "support/squares.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::bfloat16;
using lorapro::half;
using lorapro::Index;
using lorapro::RowMatrix;
using reference::product;
using reference::real;
using reference::RealMatrix;
using reference::transposed;
using Matrix = RowMatrix<double>;

struct Products {
  Matrix gram, cross, grad_gram;
  double squared_norm = 0;
  bool finite = true;
};

Products products(const lorapro::FactorView& factor, const lorapro::FactorView& grad,
                  bool with_grad_gram) {
  const Index r = factor.rank;
  // Garbage in the outputs: they are overwritten.
  Products out{Matrix::Constant(r, r, 7), Matrix::Constant(r, r, 7), Matrix::Constant(r, r, 7)};
  std::vector<double> scratch(static_cast<std::size_t>(lorapro::factor_products_scratch(r)));
  const lorapro::FactorMeasure found = lorapro::factor_products(
      factor, grad,
      {support::square(out.gram), support::square(out.cross),
       with_grad_gram ? support::square(out.grad_gram) : lorapro::Square{}},
      support::workspace(scratch));
  out.squared_norm = found.squared_norm;
  out.finite = found.finite;
  return out;
}

/// Products of numbers stored in T are exact in double, but for T = double.
template <typename T>
void check(const RowMatrix<T>& F, const RowMatrix<T>& g, const Products& got, bool with_grad_gram) {
  const RealMatrix f = real(F), h = real(g);
  const double length = static_cast<double>(F.cols());
  const auto near = [&](const Matrix& a, const RealMatrix& x, const RealMatrix& y) {
    CHECK(support::distance(a, product(x, transposed(y))) <=
          support::tolerance<double>(1, std::sqrt(length) + 2, 1,
                                     static_cast<double>(reference::norm(x) * reference::norm(y))));
  };
  CHECK(got.finite);
  near(got.gram, f, f);
  near(got.cross, h, f);
  if (with_grad_gram) near(got.grad_gram, h, h);
  const auto squared = static_cast<double>(reference::dot(h, h));
  CHECK(std::abs(got.squared_norm - squared) <=
        support::tolerance<double>(1, std::sqrt(length) + 2, 1, squared));
}

TEMPLATE_TEST_CASE("factor_products against long double loops", "[gram]", float, double, bfloat16,
                   half) {
  LORAPRO_TEST_RANDOM(random, 31);
  for (const Index rank : {1, 2, 4, 5, 8, 9, 27})
    for (const Index length : {1, 5, 32, 255, 257, 600}) {
      CAPTURE(rank, length);
      const auto F = reference::rounded<TestType>(random.matrix(rank, length));
      const auto g = reference::rounded<TestType>(random.matrix(rank, length, 0.01));
      for (const bool with_grad_gram : {false, true})
        check<TestType>(F, g,
                        products(lorapro::factor_of_A(lorapro::make_view(F)),
                                 lorapro::factor_of_A(lorapro::make_view(g)), with_grad_gram),
                        with_grad_gram);
      // As lora_B, of the other storage order: gram = B^T B, cross = grad_B^T B.
      const RowMatrix<TestType> B = F.transpose(), grad_B = g.transpose();
      check<TestType>(F, g,
                      products(lorapro::factor_of_B(lorapro::make_view(B)),
                               lorapro::factor_of_B(lorapro::make_view(grad_B)), true),
                      true);
    }
}

TEST_CASE("[trap] no product of the size of W is formed", "[gram][trap]") {
  // A factor of a million positions works in the scratch of 2 rank panels.
  const Index length = 1000000;
  const RowMatrix<float> F = RowMatrix<float>::Constant(2, length, 0.5F);
  const auto view = lorapro::factor_of_A(lorapro::make_view(F));
  CHECK(lorapro::factor_products_scratch(2) <= 16 * lorapro::kPanelWidth);
  const Products got = products(view, view, true);
  CHECK(got.gram == Matrix::Constant(2, 2, 250000));  // exact: powers of two
  CHECK(got.squared_norm == 500000);
}

TEST_CASE("what is not finite is found, and shows in the sums", "[gram]") {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float bad : {infinity, -infinity, std::numeric_limits<float>::quiet_NaN()})
    for (const Index length : {1, 40, 300})
      for (const Index row : {0, 2})
        for (const Index col : {Index{0}, length - 1})
          for (const bool with_grad_gram : {false, true}) {
            CAPTURE(bad, length, row, col, with_grad_gram);
            RowMatrix<float> F = RowMatrix<float>::Ones(3, length), g = F;
            const auto f_view = lorapro::factor_of_A(lorapro::make_view(F));
            const auto g_view = lorapro::factor_of_A(lorapro::make_view(g));
            F(row, col) = bad;
            const Products in_factor = products(f_view, g_view, with_grad_gram);
            CHECK_FALSE(in_factor.finite);
            CHECK_FALSE(lorapro::is_finite(in_factor.gram.sum()));
            F(row, col) = 1;
            g(row, col) = bad;
            const Products in_grad = products(f_view, g_view, with_grad_gram);
            CHECK_FALSE(in_grad.finite);
            CHECK_FALSE(lorapro::is_finite(in_grad.squared_norm));
            CHECK_FALSE(lorapro::is_finite(in_grad.cross.sum()));
          }
}

}  // namespace

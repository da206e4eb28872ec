// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/linalg/magnitude.hpp>

#include <limits>  // std::numeric_limits
#include <vector>  // std::vector

#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::bfloat16;
using lorapro::FactorView;
using lorapro::half;
using lorapro::Index;
using lorapro::RowMatrix;

template <typename Scalar>
auto largest(const FactorView& view) {
  std::vector<Scalar> scratch(static_cast<std::size_t>(lorapro::panel_size(view.rank)));
  return lorapro::largest_magnitude(view, 0, lorapro::panel_count(view.length), scratch.data());
}

TEMPLATE_TEST_CASE("the largest magnitude is found wherever it is", "[magnitude]", float, double,
                   bfloat16, half) {
  LORAPRO_TEST_RANDOM(random, 71);
  for (const Index rank : {1, 2, 5})
    for (const Index length : {1, 3, 16, 255, 300}) {
      RowMatrix<TestType> A = reference::rounded<TestType>(random.matrix(rank, length, 0.1));
      for (int repeat = 0; repeat < 20; ++repeat) {
        const auto k = static_cast<Index>(random.uniform() * static_cast<double>(rank));
        const auto i = static_cast<Index>(random.uniform() * static_cast<double>(length));
        const double sign = repeat % 2 == 0 ? 1 : -1;
        const TestType saved = A(k, i);
        A(k, i) = TestType(static_cast<float>(sign * 8));
        CAPTURE(rank, length, k, i);
        const RowMatrix<TestType> B = A.transpose();
        const auto a = lorapro::factor_of_A(lorapro::make_view(A));
        const auto b = lorapro::factor_of_B(lorapro::make_view(B));
        CHECK(largest<float>(a).value() == 8);
        CHECK(largest<double>(a).value() == 8);
        CHECK(largest<float>(b).value() == 8);
        A(k, i) = saved;
      }
    }
}

TEST_CASE("a magnitude of a strided factor does not see its neighbours", "[magnitude]") {
  RowMatrix<float> canvas = RowMatrix<float>::Constant(400, 400, 1000);
  canvas.block(3, 4, 2, 300).setConstant(-2);
  canvas.block(50, 4, 300, 2).setConstant(3);
  const auto A = canvas.block(3, 4, 2, 300), B = canvas.block(50, 4, 300, 2);
  CHECK(largest<float>(lorapro::factor_of_A(lorapro::make_view(A))).value() == 2);
  CHECK(largest<float>(lorapro::factor_of_B(lorapro::make_view(B))).value() == 3);
}

TEST_CASE("panels of a magnitude can be asked for one by one", "[magnitude]") {
  RowMatrix<float> A = RowMatrix<float>::Ones(2, 600);
  A(1, 300) = 5;
  A(0, 599) = -7;
  const auto view = lorapro::factor_of_A(lorapro::make_view(A));
  std::vector<float> scratch(static_cast<std::size_t>(lorapro::panel_size(2)));
  CHECK(lorapro::largest_magnitude(view, 0, 1, scratch.data()).value() == 1);
  CHECK(lorapro::largest_magnitude(view, 1, 2, scratch.data()).value() == 5);
  CHECK(lorapro::largest_magnitude(view, 1, 3, scratch.data()).value() == 7);
  CHECK(lorapro::largest_magnitude(view, 2, 2, scratch.data()).value() == 0);
}

TEMPLATE_TEST_CASE("what is not finite is not finite in any position", "[magnitude]", float,
                   double) {
  using Limits = std::numeric_limits<TestType>;
  for (const TestType bad : {Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN(),
                             -Limits::quiet_NaN(), Limits::signaling_NaN()})
    for (Index i = 0; i < 150; ++i) {
      RowMatrix<TestType> A = RowMatrix<TestType>::Constant(1, 150, Limits::max());
      A(0, i) = bad;
      const auto view = lorapro::factor_of_A(lorapro::make_view(A));
      CHECK_FALSE(largest<TestType>(view).is_finite());
    }
  const RowMatrix<TestType> A = RowMatrix<TestType>::Constant(1, 150, -Limits::max());
  CHECK(largest<TestType>(lorapro::factor_of_A(lorapro::make_view(A))).value() == Limits::max());
  const RowMatrix<TestType> tiny = RowMatrix<TestType>::Constant(1, 3, -Limits::denorm_min());
  CHECK(largest<TestType>(lorapro::factor_of_A(lorapro::make_view(tiny))).value() ==
        Limits::denorm_min());
}

TEMPLATE_TEST_CASE("squared_norm is the sum of squares", "[magnitude]", float, double, bfloat16) {
  LORAPRO_TEST_RANDOM(random, 72);
  for (const Index rank : {1, 4})
    for (const Index length : {1, 37, 600}) {
      CAPTURE(rank, length);
      const auto A = reference::rounded<TestType>(random.matrix(rank, length));
      const RowMatrix<TestType> B = A.transpose();
      std::vector<double> scratch(static_cast<std::size_t>(lorapro::panel_size(rank)));
      const auto exact =
          static_cast<double>(reference::dot(reference::real(A), reference::real(A)));
      for (const FactorView& view : {lorapro::factor_of_A(lorapro::make_view(A)),
                                     lorapro::factor_of_B(lorapro::make_view(B))}) {
        double sum = 0;
        for (Index panel = 0; panel < lorapro::panel_count(length); ++panel)
          sum += lorapro::squared_norm(view, panel, panel + 1, scratch.data());
        CHECK(std::abs(sum - exact) <=
              support::tolerance<double>(1, std::sqrt(static_cast<double>(rank * length)) + 1, 1,
                                         exact));
        CHECK(lorapro::squared_norm(view, 0, lorapro::panel_count(length), scratch.data()) ==
              Approx(sum).epsilon(support::tolerance<double>(4, 1, 1, 1)));
      }
    }
}

}  // namespace

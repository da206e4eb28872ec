// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adjust/combination.hpp>

#include <lorapro/adjust/coefficients.hpp>

#include <vector>  // std::vector

#include "support/random.hpp"
#include "support/squares.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::AdjustCoefficients;
using lorapro::FactorCombination;
using lorapro::FactorView;
using lorapro::Index;
using lorapro::Panel;
using lorapro::Side;
using reference::product;
using reference::RealMatrix;
using reference::transposed;
using Matrix = lorapro::RowMatrix<double>;

/// Coefficients of a random pair with singular values of B down to 1 / condition.
AdjustCoefficients coefficients_of(support::Random& random, Index rank, double condition,
                                   double rho, double scale = 1) {
  const RealMatrix A = scale * random.conditioned(rank, rank + 5, 2);
  const RealMatrix B = scale * random.conditioned(rank + 4, rank, condition);
  Matrix Q = reference::rounded<double>(product(A, transposed(A)));
  Matrix P = reference::rounded<double>(product(transposed(B), B));
  const Matrix cross = reference::rounded<double>(random.matrix(rank, rank));
  std::vector<double> scratch(static_cast<std::size_t>(
      std::max(lorapro::SpectralPair::scratch_size(rank), AdjustCoefficients::scratch_size(rank))));
  lorapro::SpectralPair spectra(rank);
  REQUIRE(spectra.compute(support::square(Q), support::square(P), 0, support::workspace(scratch)));
  AdjustCoefficients out(rank);
  lorapro::AdjustOptions options;
  options.damping = rho;
  const lorapro::Dampings lambda = lorapro::scale_free_dampings(spectra, 2, options, 0);
  REQUIRE(out.compute(spectra, {support::square(cross), support::square(cross)},
                      {2, lambda, lorapro::Gauge::sylvester, 1}, support::workspace(scratch)));
  return out;
}

/// A factor of row-major (rank, width) or, position by position, (width, rank) memory.
template <typename Scalar>
FactorView view_of(std::vector<Scalar>& memory, Index rank, Index width, bool position_major) {
  return {memory.data(), lorapro::storage_type<Scalar>(), rank,
          width,         position_major ? 1 : width,      position_major ? rank : 1};
}

/// Error of apply over the size of the terms, in units of the scalar's epsilon.
template <typename Scalar>
double error(support::Random& random, const AdjustCoefficients& coefficients, Side side,
             bool position_major, Index width) {
  const Index rank = coefficients.rank();
  std::vector<Scalar> memory[3];
  for (auto& values : memory) {
    values.resize(static_cast<std::size_t>(rank * width) + 1);
    for (Scalar& value : values) value = static_cast<Scalar>(random.normal());
    values.back() = Scalar(-5);
  }
  const FactorView view = view_of(memory[0], rank, width, position_major);
  const lorapro::PanelLayout layout(view);
  REQUIRE(layout.position_major() == (position_major && rank > 1));
  const auto matrix_of = [&](const std::vector<Scalar>& values) {
    RealMatrix out(rank, width);
    for (Index k = 0; k < rank; ++k)
      for (Index i = 0; i < width; ++i)
        out(k, i) = values[static_cast<std::size_t>(k * view.rank_stride + i * view.length_stride)];
    return out;
  };
  const RealMatrix factor = matrix_of(memory[0]), grad = matrix_of(memory[1]);
  FactorCombination<Scalar> combination(rank);
  REQUIRE(combination.set(coefficients[side], coefficients.conditioning(), layout));
  std::vector<double> scratch(
      static_cast<std::size_t>(FactorCombination<Scalar>::scratch_size(rank)));
  const Index stride = layout.row_stride(view);
  combination.apply({layout, 0}, Panel<const Scalar>{memory[0].data(), stride},
                    Panel<const Scalar>{memory[1].data(), stride},
                    Panel<Scalar>{memory[2].data(), stride}, support::workspace(scratch));
  CHECK(memory[2].back() == Scalar(-5));
  const RealMatrix T = support::real(coefficients[side].on_grad);
  const RealMatrix X = support::real(coefficients[side].on_factor);
  const auto size = static_cast<double>(reference::norm(T) * reference::norm(grad) +
                                        reference::norm(X) * reference::norm(factor));
  return support::distance(matrix_of(memory[2]),
                           RealMatrix(product(T, grad) + product(X, factor))) /
         support::tolerance<Scalar>(1, 1, 1, size);
}

TEMPLATE_TEST_CASE("apply is the combination of a factor and its gradient", "[combination]", float,
                   double) {
  LORAPRO_TEST_RANDOM(random, 601);
  for (const Index rank : {1, 3, 8, 13})
    for (const Index width : {1, 7, 64, 256})
      for (const double condition : {2.0, 1e3})
        for (const Side side : lorapro::kSides)
          for (const bool position_major : {false, true}) {
            CAPTURE(rank, width, condition, side == Side::A, position_major);
            const AdjustCoefficients c = coefficients_of(random, rank, condition, 0);
            CHECK(error<TestType>(random, c, side, position_major, width) <= 2);
          }
}

/// Whether d is computed from coefficients rounded to float.
bool rounds_coefficients(const AdjustCoefficients& coefficients) {
  // Two terms that cancel but for what rounding a coefficient to float loses.
  const Index rank = coefficients.rank();
  std::vector<float> factor(static_cast<std::size_t>(rank)), grad(factor), out(factor);
  const FactorView view = view_of(factor, rank, 1, false);
  const lorapro::PanelLayout layout(view);
  std::vector<double> scratch(
      static_cast<std::size_t>(FactorCombination<float>::scratch_size(rank)));
  FactorCombination<float> combination(rank);
  const auto c = coefficients[Side::A];
  REQUIRE(combination.set(c, coefficients.conditioning(), layout));
  const double on_grad = c.on_grad(0, 0), on_factor = c.on_factor(0, 0);
  const auto a = static_cast<float>(on_factor), b = static_cast<float>(-on_grad);
  grad[0] = a;
  factor[0] = b;
  combination.apply({layout, 0}, Panel<const float>{factor.data(), 1},
                    Panel<const float>{grad.data(), 1}, Panel<float>{out.data(), 1},
                    support::workspace(scratch));
  const double exact = on_grad * a + on_factor * b;
  return std::abs(out[0] - exact) > 0.1 * std::abs(exact);
}

TEST_CASE("ill-conditioned pairs are combined in the wide scalar", "[combination]") {
  LORAPRO_TEST_RANDOM(random, 602);
  int narrow = 0;
  for (int repeat = 0; repeat < 5; ++repeat) {
    // conditioning is 4, then 1e4: the limit is 101, that of a damping of 0.01.
    narrow += rounds_coefficients(coefficients_of(random, 3, 2, 0));
    CHECK_FALSE(rounds_coefficients(coefficients_of(random, 3, 100, 0)));
    narrow += rounds_coefficients(coefficients_of(random, 3, 1e5, 0.01));
    CHECK_FALSE(rounds_coefficients(coefficients_of(random, 3, 1e5, 0.001)));
  }
  CHECK(narrow >= 8);  // a coefficient may happen to be a float
}

TEST_CASE("coefficients beyond float are told", "[combination]") {
  LORAPRO_TEST_RANDOM(random, 603);
  const AdjustCoefficients huge = coefficients_of(random, 2, 2, 0, 1e-20);
  std::vector<float> memory(2);
  const FactorView view = view_of(memory, 2, 1, false);
  const lorapro::PanelLayout layout(view);
  FactorCombination<float> narrow(2);
  FactorCombination<double> wide(2);
  for (const Side side : lorapro::kSides) {
    CHECK_FALSE(narrow.set(huge[side], huge.conditioning(), layout));
    CHECK(wide.set(huge[side], huge.conditioning(), layout));
  }
}

}  // namespace

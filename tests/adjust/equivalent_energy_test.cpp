// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adjust/equivalent_energy.hpp>

#include <lorapro/adjust/tangent_momentum.hpp>

#include <vector>  // std::vector

#include "support/random.hpp"
#include "support/squares.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::Gauge;
using lorapro::Index;
using lorapro::PanelLayout;
using lorapro::Side;
using lorapro::Wide;
using reference::product;
using reference::Real;
using reference::RealMatrix;
using reference::transposed;

/// Energies of the rows and columns of E from the class and from E itself; the largest difference
/// over the largest energy.
template <typename Scalar, int kOrder>
double deviation(const RealMatrix& real_A, const RealMatrix& real_B, const RealMatrix& G, double s,
                 const lorapro::AdjustOptions& options, double clip) {
  using Stored = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, kOrder>;
  const Stored A = reference::rounded<Scalar>(real_A), B = reference::rounded<Scalar>(real_B);
  const RealMatrix exact_A = reference::real(A), exact_B = reference::real(B);
  const Stored gA = reference::rounded<Scalar>(Real(s) * product(transposed(exact_B), G));
  const Stored gB = reference::rounded<Scalar>(Real(s) * product(G, transposed(exact_A)));
  const Index r = A.rows();
  lorapro::Pair pair;
  pair.A.value = lorapro::factor_of_A(lorapro::make_view(A));
  pair.A.grad = lorapro::factor_of_A(lorapro::make_view(gA));
  pair.B.value = lorapro::factor_of_B(lorapro::make_view(B));
  pair.B.grad = lorapro::factor_of_B(lorapro::make_view(gB));
  pair.scaling = s;
  lorapro::PairSolver solver(r);
  std::vector<Wide> scratch(static_cast<std::size_t>(lorapro::PairSolver::scratch_size(r)));
  REQUIRE(solver.solve(pair, options, 1.0, true, support::workspace(scratch)).usable());
  solver.coefficients().scale(clip);
  const lorapro::AdjustCoefficients& c = solver.coefficients();
  lorapro::TangentImage image(r);
  image.compute(c,
                {{solver.cross(Side::A), solver.gram(Side::A)},
                 {solver.cross(Side::B), solver.gram(Side::B)}},
                s, support::workspace(scratch));
  lorapro::EquivalentEnergy<Scalar> energy(r);
  energy.compute(pair, solver, support::workspace(scratch));

  const auto on_A = c[Side::A], on_B = c[Side::B];
  const RealMatrix dA = product(support::real(on_A.on_grad), reference::real(gA)) +
                        product(support::real(on_A.on_factor), exact_A);
  const RealMatrix dB =
      transposed(product(support::real(on_B.on_grad), transposed(reference::real(gB))) +
                 product(support::real(on_B.on_factor), transposed(exact_B)));
  const RealMatrix E = Real(s) * (product(exact_B, dA) + product(dB, exact_A));

  std::vector<Scalar> panels(static_cast<std::size_t>(4 * lorapro::panel_size(r)));
  Scalar energies[lorapro::kPanelWidth];
  Real worst = 0, largest = 0;
  for (const Side side : lorapro::kSides) {
    const lorapro::Factor& factor = pair[side];
    const PanelLayout layout(factor.value);
    lorapro::FactorCombination<Scalar> seen_by(r);
    REQUIRE(seen_by.set(image[side], 1, layout));
    for (Index panel = 0; panel < layout.count(); ++panel) {
      const auto f = read_panel(factor.value, layout, panel, panels.data());
      const auto g = read_panel(factor.grad, layout, panel, panels.data() + lorapro::panel_size(r));
      Scalar* const part = panels.data() + 2 * lorapro::panel_size(r);
      const lorapro::Panel<Scalar> seen{panels.data() + 3 * lorapro::panel_size(r),
                                        layout.stride()};
      seen_by.apply({layout, panel}, f, g, seen, support::workspace(scratch));
      energy[side].apply({layout, panel}, f, read_only(seen), energies, part);
      for (Index k = 0; k < layout.width(panel); ++k) {
        const Index at = panel * lorapro::kPanelWidth + k;
        const Real expected = side == Side::A ? reference::dot(E.col(at), E.col(at))
                                              : reference::dot(E.row(at), E.row(at));
        CHECK(energies[k] >= 0);
        worst = std::max(worst, std::abs(Real(energies[k]) - expected));
        largest = std::max(largest, expected);
      }
    }
  }
  return static_cast<double>(worst / largest);
}

TEMPLATE_TEST_CASE("energies are the sums of squares of E", "[equivalent_energy]", float, double) {
  LORAPRO_TEST_RANDOM(random, 41);
  const double tolerance = 2000 * double(std::numeric_limits<TestType>::epsilon());
  for (const double damping : {0.0, 0.1})
    for (const Gauge gauge : {Gauge::sylvester, Gauge::balanced, Gauge::zero}) {
      CAPTURE(damping, static_cast<int>(gauge));
      const lorapro::AdjustOptions options{damping, gauge};
      const auto check = [&](Index m, Index n, Index r, double deviation_B) {
        CAPTURE(m, n, r, deviation_B);
        const RealMatrix A = random.matrix(r, n), B = random.matrix(m, r, deviation_B),
                         G = random.matrix(m, n);
        CHECK(deviation<TestType, Eigen::RowMajor>(A, B, G, 0.5, options, 1) < tolerance);
        CHECK(deviation<TestType, Eigen::ColMajor>(A, B, G, 2.0, options, 0.25) < tolerance);
      };
      check(30, 20, 3, 1);
      check(30, 20, 3, 0);
      check(300, 7, 5, 1e-3);
      check(9, 40, 1, 1);
      check(5, 12, 5, 1);
    }
}

TEST_CASE("energies of factors without full rank", "[equivalent_energy][trap]") {
  LORAPRO_TEST_RANDOM(random, 42);
  RealMatrix A = random.matrix(4, 20), B = random.matrix(15, 4);
  B.col(3) = B.col(1);
  A.row(2) = A.row(0) - A.row(1);
  const RealMatrix G = random.matrix(15, 20);
  for (const double damping : {0.0, 0.1})
    CHECK(deviation<double, Eigen::RowMajor>(A, B, G, 0.5, {damping, Gauge::sylvester}, 1) < 1e-10);
}

TEST_CASE("a triangular root of a semi-definite matrix", "[equivalent_energy]") {
  LORAPRO_TEST_RANDOM(random, 43);
  for (const Index rank : {0, 1, 3, 6}) {
    const RealMatrix half = random.matrix(rank, 6);
    const RealMatrix S = rank == 0 ? RealMatrix::Zero(6, 6) : product(transposed(half), half);
    lorapro::RowMatrix<double> root = reference::rounded<double>(S);
    lorapro::detail::semidefinite_root(support::square(root));
    const RealMatrix R = reference::real(root);
    CHECK(double(reference::norm(product(transposed(R), R) - S)) < 1e-7 * (1 + rank));
    for (Index i = 0; i < 6; ++i)
      for (Index k = 0; k < i; ++k) CHECK(root(i, k) == 0);
  }
}

}  // namespace

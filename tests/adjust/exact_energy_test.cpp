// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adjust/exact_energy.hpp>
#include <lorapro/core/random.hpp>

#include <Eigen/QR>

#include "support/catch.hpp"

namespace {

using lorapro::Index;
using lorapro::Side;
using Matrix = lorapro::RowMatrix<double>;

/// Largest relative error of the energies where the second column of B is all but the first.
double error(double apart) {
  constexpr Index m = 12, n = 9, r = 3;
  constexpr double s = 0.5;
  std::srand(7);
  Matrix A = Matrix::Random(r, n), B = Matrix::Random(m, r);
  const Matrix G = Matrix::Random(m, n);
  B.col(1) = 3 * B.col(0) + apart * B.col(1);
  Matrix grad_A = s * B.transpose() * G, grad_B = s * G * A.transpose();
  lorapro::Pair pair;
  pair.scaling = s;
  const auto type = lorapro::StorageType::f64;
  pair.A.value = {A.data(), type, r, n, n, 1};
  pair.A.grad = {grad_A.data(), type, r, n, n, 1};
  pair.B.value = {B.data(), type, r, m, 1, r};
  pair.B.grad = {grad_B.data(), type, r, m, 1, r};

  lorapro::PairSolver solver(r);
  lorapro::Buffer<double> memory(lorapro::PairSolver::scratch_size(r));
  const lorapro::Workspace scratch(memory);
  for (const Side side : lorapro::kSides) solver.measure(side, pair[side], true, scratch);
  solver.spectra().decompose(scratch);
  REQUIRE(solver.inspect(pair, 1).usable());
  lorapro::ExactEnergy<double> energy(r);
  REQUIRE(energy.compute(solver, s, 1, scratch));
  energy.set(pair, 1);

  const Matrix P_B = B * B.completeOrthogonalDecomposition().pseudoInverse();
  const Matrix P_A = A.completeOrthogonalDecomposition().pseudoInverse() * A;
  const Matrix E = P_B * G + G * P_A - P_B * G * P_A;
  double largest = std::abs(energy.squared_norm() / E.squaredNorm() - 1);
  std::vector<double> part(static_cast<std::size_t>(lorapro::panel_size(r)));
  for (const Side side : lorapro::kSides) {
    const lorapro::PanelLayout layout(pair[side].value);
    const Matrix seen = (side == Side::A ? grad_A : grad_B) / s;
    const Index stride = side == Side::A ? n : r;
    std::vector<double> energies(static_cast<std::size_t>(layout.width(0)));
    energy[side].apply({layout, 0}, {static_cast<double*>(pair[side].value.data), stride},
                       {seen.data(), stride}, energies.data(), part.data());
    for (Index j = 0; j < layout.width(0); ++j) {
      const double expected = side == Side::A ? E.col(j).squaredNorm() : E.row(j).squaredNorm();
      largest = std::max(largest, std::abs(energies[static_cast<std::size_t>(j)] / expected - 1));
    }
  }
  return largest;
}

TEST_CASE("energies of the undamped equivalent gradient", "[exact_energy]") {
  CHECK(error(1) < 1e-12);
  CHECK(error(0) < 1e-12);  // the pseudo-inverse
  // Of the square of the condition number, where EquivalentEnergy knows no digit.
  CHECK(error(1e-4) < 1e-4);
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/linalg/symmetric_eigen.hpp>

#include <Eigen/Eigenvalues>  // SelfAdjointEigenSolver
#include <vector>             // std::vector

#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::Index;
using reference::product;
using reference::RealMatrix;
using reference::transposed;
using support::tolerance;
using Matrix = lorapro::RowMatrix<double>;

struct EigenResult {
  bool ok = false;
  Eigen::VectorXd values;
  Matrix rows;  ///< row i is the eigenvector of values(i)
};

EigenResult solve(Matrix matrix) {
  const Index size = matrix.rows();
  EigenResult out;
  out.values.resize(size);
  out.rows.resize(size, size);
  std::vector<double> scratch(static_cast<std::size_t>(lorapro::symmetric_eigen_scratch(size)));
  out.ok = lorapro::symmetric_eigen(matrix.data(), size, out.values.data(), out.rows.data(),
                                    scratch.data());
  return out;
}

/// Residual, orthogonality, and the eigenvalues of Eigen's solver.
void check(const Matrix& S) {
  const auto size = static_cast<double>(S.rows());
  const EigenResult result = solve(S);
  REQUIRE(result.ok);
  // A power of two brings any scale into the range of squares.
  int exponent = 0;
  std::frexp(S.cwiseAbs().maxCoeff(), &exponent);
  const auto scaled = [&](double x) { return std::ldexp(x, -exponent); };
  const Matrix unit = S.unaryExpr(scaled);
  Eigen::VectorXd values = result.values.unaryExpr(scaled);
  const RealMatrix V = reference::real(result.rows);
  const double norm = static_cast<double>(reference::norm(reference::real(unit)));
  RealMatrix diagonal = RealMatrix::Zero(S.rows(), S.rows());
  for (Index i = 0; i < S.rows(); ++i) diagonal(i, i) = values(i);
  CHECK(support::distance(product(transposed(V), product(diagonal, V)), unit) <=
        tolerance<double>(4, std::sqrt(size), 1, norm));
  CHECK(support::distance(product(V, transposed(V)), reference::identity(S.rows())) <=
        tolerance<double>(4, size, 1, 1));
  std::sort(values.data(), values.data() + values.size());
  // In long double: the oracle's own rounding is as large as ours otherwise.
  using Exact = Eigen::Matrix<long double, Eigen::Dynamic, Eigen::Dynamic>;
  const Eigen::SelfAdjointEigenSolver<Exact> oracle(unit.cast<long double>(),
                                                    Eigen::EigenvaluesOnly);
  const double error = static_cast<double>(
      (values.cast<long double>() - oracle.eigenvalues()).cwiseAbs().maxCoeff());
  CHECK(error <= tolerance<double>(4, std::sqrt(size), 1, norm));
}

Matrix rounded_semidefinite(support::Random& random, Index size, Index rank) {
  const RealMatrix F = random.matrix(size, rank);
  return reference::rounded<double>(product(F, transposed(F)));
}

Matrix rounded_symmetric(support::Random& random, Index size) {
  const RealMatrix F = random.matrix(size, size);
  return reference::rounded<double>(F + transposed(F));
}

TEST_CASE("symmetric_eigen agrees with Eigen's solver", "[symmetric_eigen]") {
  LORAPRO_TEST_RANDOM(random, 1);
  for (const Index size : {1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 31, 32, 33, 64, 80}) {
    CAPTURE(size);
    check(rounded_semidefinite(random, size, size + 3));
    check(rounded_symmetric(random, size));
    check(rounded_semidefinite(random, size, (size + 1) / 2));
    check(rounded_semidefinite(random, size, 1));
  }
}

TEST_CASE("symmetric_eigen on special matrices", "[symmetric_eigen]") {
  for (const Index size : {1, 2, 3, 6, 13}) {
    CAPTURE(size);
    check(Matrix::Zero(size, size));
    check(Matrix::Identity(size, size));
    check(-3 * Matrix::Identity(size, size));
    check(Matrix::Constant(size, size, 0.7));
    Matrix diagonal = Matrix::Zero(size, size), graded = diagonal, arrow = diagonal;
    Matrix clement = diagonal, wilkinson = diagonal;
    for (Index i = 0; i < size; ++i) {
      diagonal(i, i) = static_cast<double>(size - 2 * i);
      arrow(i, i) = 1;
      arrow(0, i) = arrow(i, 0) = 1;
      wilkinson(i, i) = std::abs(static_cast<double>(i) - static_cast<double>(size - 1) / 2);
      for (Index j = 0; j < size; ++j)
        graded(i, j) = std::pow(1e-3, static_cast<double>(i + j)) * (i == j ? 2 : 1);
      if (i + 1 < size) {
        const double off = std::sqrt(static_cast<double>((i + 1) * (size - 1 - i)));
        clement(i, i + 1) = clement(i + 1, i) = off;
        wilkinson(i, i + 1) = wilkinson(i + 1, i) = 1;
      }
    }
    check(diagonal);
    check(graded);
    check(graded.reverse().eval());
    check(arrow);
    check(clement);
    check(wilkinson);
  }
}

TEST_CASE("a matrix of rank one does not end in the noise of its noise", "[symmetric_eigen]") {
  // What a column of it leaves behind shrinks by eps from column to column, into denormals.
  for (Index size = 1; size <= 80; ++size)
    for (const double value : {0.7, 0.1, -1.0 / 3, 1e-100, 1e100}) {
      CAPTURE(size, value);
      check(Matrix::Constant(size, size, value));
    }
}

TEST_CASE("symmetric_eigen at the ends of the range of double", "[symmetric_eigen]") {
  LORAPRO_TEST_RANDOM(random, 2);
  for (const Index size : {1, 2, 5, 12})
    for (const double scale :
         {1e-305, 1e-300, 1e-200, 1e-150, 1e-120, 1e120, 1e150, 1e200, 1e300}) {
      CAPTURE(size, scale);
      check(scale * rounded_semidefinite(random, size, size + 1));
      check(scale * rounded_symmetric(random, size));
    }
}

TEST_CASE(
    "[trap] eigenvalues of a symmetric problem are real and of a semi-definite one not negative",
    "[symmetric_eigen][trap]") {
  LORAPRO_TEST_RANDOM(random, 3);
  for (int repeat = 0; repeat < 20; ++repeat) {
    const Matrix S = rounded_semidefinite(random, 8, 4);
    const EigenResult result = solve(S);
    REQUIRE(result.ok);
    CHECK(result.values.minCoeff() >= -tolerance<double>(4, 8, 1, S.norm()));
    CHECK(result.rows.allFinite());
  }
}

TEST_CASE("symmetric_eigen takes few large eigenvalues among rounding noise",
          "[symmetric_eigen][trap]") {
  LORAPRO_TEST_RANDOM(random, 4);
  for (const double noise : {1e-13, 1e-14, 1e-15, 1e-16})
    for (const Index rank : {1, 4}) {
      CAPTURE(noise, rank);
      const RealMatrix half = random.matrix(66, rank), rest = random.matrix(66, 66, noise);
      const RealMatrix S = product(half, transposed(half)) + rest + transposed(rest);
      check(reference::rounded<double>(S));
    }
}

TEST_CASE("symmetric_eigen refuses what is not finite", "[symmetric_eigen]") {
  using Limits = std::numeric_limits<double>;
  for (const double bad : {Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity()})
    for (const Index size : {1, 2, 6})
      for (Index i = 0; i < size; ++i)
        for (Index j = 0; j < size; ++j) {
          CAPTURE(bad, size, i, j);
          Matrix S = Matrix::Identity(size, size);
          S(i, j) = bad;
          CHECK_FALSE(solve(S).ok);
        }
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/linalg/batched_eigen.hpp>

#include <lorapro/core/buffer.hpp>

#include <Eigen/Eigenvalues>  // SelfAdjointEigenSolver
#include <cstring>            // std::memcmp
#include <vector>             // std::vector

#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::EigenProblem;
using lorapro::Index;
using lorapro::kBatchedEigenSize;
using support::tolerance;
using Matrix = lorapro::RowMatrix<double>;
using State = EigenProblem::State;

struct Result {
  State state = State::none;
  Eigen::VectorXd values;
  Matrix rows;  ///< row i is the eigenvector of values(i)

  bool operator==(const Result& other) const {
    const auto same = [](const auto& a, const auto& b) {
      return std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * 8) == 0;
    };
    return state == other.state && same(values, other.values) && same(rows, other.rows);
  }
};

std::vector<Result> solve(const std::vector<Matrix>& matrices) {
  const auto count = static_cast<Index>(matrices.size());
  const Index size = matrices.front().rows();
  std::vector<Result> results(matrices.size());
  std::vector<EigenProblem> problems(matrices.size());
  std::vector<EigenProblem*> pointers;
  for (std::size_t k = 0; k < matrices.size(); ++k) {
    results[k].values = Eigen::VectorXd::Zero(size);
    results[k].rows = Matrix::Zero(size, size);
    problems[k] = {matrices[k].data(), results[k].values.data(), results[k].rows.data(),
                   State::pending};
    pointers.push_back(&problems[k]);
  }
  lorapro::Buffer<double> scratch(lorapro::batched_eigen_scratch(size, count));
  lorapro::batched_eigen(pointers.data(), count, size, scratch.data());
  for (std::size_t k = 0; k < matrices.size(); ++k) results[k].state = problems[k].state;
  return results;
}

Result solve_alone(const Matrix& matrix) { return solve({matrix}).front(); }

/// Residual, orthogonality, and the eigenvalues of Eigen's solver.
void check(const Matrix& S, Result result) {
  const auto size = static_cast<double>(S.rows());
  REQUIRE(result.state == State::settled);
  // A power of two brings any scale into the range of squares.
  int exponent = 0;
  std::frexp(S.cwiseAbs().maxCoeff(), &exponent);
  const auto scaled = [&](double x) { return std::ldexp(x, -exponent); };
  const Matrix unit = S.unaryExpr(scaled);
  Eigen::VectorXd values = result.values.unaryExpr(scaled);
  const Matrix& V = result.rows;
  const Matrix restored = V.transpose() * values.asDiagonal() * V;
  const Matrix products = V * V.transpose();
  CHECK((restored - unit).norm() <= tolerance<double>(8, std::sqrt(size), 1, unit.norm()));
  CHECK((products - Matrix::Identity(S.rows(), S.rows())).norm() <=
        tolerance<double>(4, size, 1, 1));
  std::sort(values.data(), values.data() + values.size());
  const Eigen::SelfAdjointEigenSolver<Matrix> oracle(unit, Eigen::EigenvaluesOnly);
  CHECK((values - oracle.eigenvalues()).cwiseAbs().maxCoeff() <=
        tolerance<double>(8, std::sqrt(size), 1, unit.norm()));
}

void check(const std::vector<Matrix>& matrices) {
  const std::vector<Result> results = solve(matrices);
  for (std::size_t k = 0; k < matrices.size(); ++k) {
    CAPTURE(k);
    check(matrices[k], results[k]);
  }
}

Matrix random_semidefinite(support::Random& random, Index size, Index rank) {
  const Matrix F = reference::rounded<double>(random.matrix(size, rank));
  return F * F.transpose();
}

Matrix random_symmetric(support::Random& random, Index size) {
  const Matrix F = reference::rounded<double>(random.matrix(size, size));
  return F + F.transpose();
}

/// One of each kind, so that lanes converge at different times.
std::vector<Matrix> special_matrices(Index size) {
  Matrix diagonal = Matrix::Zero(size, size), graded = diagonal, steep = diagonal, arrow = diagonal;
  Matrix clement = diagonal, wilkinson = diagonal, repeated = Matrix::Constant(size, size, 1);
  for (Index i = 0; i < size; ++i) {
    diagonal(i, i) = static_cast<double>(size - 2 * i);
    arrow(i, i) = arrow(0, i) = arrow(i, 0) = 1;
    repeated(i, i) = 3;
    wilkinson(i, i) = std::abs(static_cast<double>(i) - static_cast<double>(size - 1) / 2);
    const double share = size > 1 ? static_cast<double>(i) / static_cast<double>(size - 1) : 0;
    for (Index j = 0; j <= i; ++j) {
      graded(i, j) = graded(j, i) = std::pow(1e-3, static_cast<double>(i + j)) * (i == j ? 2 : 1);
      // From 1e150 to 1e-150.
      steep(i, j) = steep(j, i) = std::pow(10, 150 - 300 * share) * (i == j ? 2 : 1);
    }
    if (i + 1 < size) {
      const double off = std::sqrt(static_cast<double>((i + 1) * (size - 1 - i)));
      clement(i, i + 1) = clement(i + 1, i) = off;
      wilkinson(i, i + 1) = wilkinson(i + 1, i) = 1;
    }
  }
  return {Matrix::Zero(size, size),
          Matrix::Identity(size, size),
          -3 * Matrix::Identity(size, size),
          Matrix::Constant(size, size, 0.7),
          diagonal,
          graded,
          graded.reverse(),
          steep,
          steep.reverse(),
          arrow,
          clement,
          wilkinson,
          repeated};
}

TEST_CASE("batched_eigen agrees with Eigen's solver", "[batched_eigen]") {
  LORAPRO_TEST_RANDOM(random, 71);
  for (Index size = 1; size <= 70; ++size) {
    CAPTURE(size);
    check({random_semidefinite(random, size, size + 3), random_symmetric(random, size),
           random_semidefinite(random, size, (size + 1) / 2), random_semidefinite(random, size, 1),
           random_symmetric(random, size)});
  }
}

TEST_CASE("batched_eigen on special matrices", "[batched_eigen]") {
  for (const Index size : {1, 2, 3, 6, 13, 32, 33}) {
    CAPTURE(size);
    check(special_matrices(size));
  }
}

TEST_CASE("batched_eigen: a matrix of rank one does not end in the noise of its noise",
          "[batched_eigen]") {
  for (Index size = 1; size <= kBatchedEigenSize; ++size) {
    CAPTURE(size);
    std::vector<Matrix> matrices;
    for (const double value : {0.7, 0.1, -1.0 / 3, 1e-100, 1e100})
      matrices.emplace_back(Matrix::Constant(size, size, value));
    check(matrices);
  }
}

TEST_CASE("batched_eigen takes few large eigenvalues among rounding noise",
          "[batched_eigen][trap]") {
  LORAPRO_TEST_RANDOM(random, 75);
  for (const Index size : {20, 32, 66})
    for (const Index rank : {1, 4}) {
      CAPTURE(size, rank);
      std::vector<Matrix> matrices;
      for (const double noise : {1e-13, 1e-14, 1e-15, 1e-16})
        matrices.emplace_back(random_semidefinite(random, size, rank) +
                              noise * random_symmetric(random, size));
      check(matrices);
    }
}

TEST_CASE("batched_eigen at the ends of the range of double", "[batched_eigen]") {
  LORAPRO_TEST_RANDOM(random, 72);
  for (const Index size : {1, 2, 5, 12}) {
    CAPTURE(size);
    std::vector<Matrix> matrices;
    for (const double scale :
         {1e-305, 1e-300, 1e-200, 1e-150, 1e-120, 1e-20, 1.0, 1e20, 1e120, 1e150, 1e200, 1e300}) {
      matrices.emplace_back(scale * random_semidefinite(random, size, size + 1));
      matrices.emplace_back(scale * random_symmetric(random, size));
    }
    check(matrices);
  }
}

TEST_CASE("a matrix gives the same bits in any lane and any company", "[batched_eigen]") {
  LORAPRO_TEST_RANDOM(random, 73);
  for (const Index size : {1, 2, 3, 4, 7, 16, 32, 33}) {
    CAPTURE(size);
    std::vector<Matrix> company = special_matrices(size);
    for (int k = 0; k < 4; ++k) company.push_back(random_symmetric(random, size));
    company.push_back(random_semidefinite(random, size, (size + 1) / 2));
    company.push_back(Matrix::Constant(size, size, std::numeric_limits<double>::quiet_NaN()));
    std::vector<Result> alone;
    for (const Matrix& matrix : company) alone.push_back(solve_alone(matrix));
    // In every lane of every packet.
    for (const std::size_t count : {2, 3, 4, 5, 8, 10})
      for (std::size_t first = 0; first < company.size(); ++first) {
        std::vector<Matrix> batch;
        for (std::size_t k = 0; k < count; ++k)
          batch.push_back(company[(first + k) % company.size()]);
        const std::vector<Result> results = solve(batch);
        for (std::size_t k = 0; k < count; ++k)
          if (!(results[k] == alone[(first + k) % company.size()])) FAIL_CHECK(first << " " << k);
      }
  }
}

TEST_CASE("batched_eigen refuses what is not finite and leaves the others alone",
          "[batched_eigen]") {
  LORAPRO_TEST_RANDOM(random, 74);
  using Limits = std::numeric_limits<double>;
  for (const Index size : {1, 2, 6, 40}) {
    std::vector<Matrix> good;
    for (int k = 0; k < 9; ++k) good.push_back(random_symmetric(random, size));
    const std::vector<Result> expected = solve(good);
    for (const double bad : {Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity()})
      for (std::size_t place = 0; place < good.size(); ++place) {
        CAPTURE(bad, size, place);
        std::vector<Matrix> poisoned = good;
        poisoned[place](static_cast<Index>(place) % size, size - 1) = bad;
        const std::vector<Result> results = solve(poisoned);
        for (std::size_t k = 0; k < good.size(); ++k)
          if (k == place) {
            CHECK(results[k].state == State::failed);
          } else {
            CHECK(results[k] == expected[k]);
          }
      }
  }
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/linalg/eigen_lanes.hpp>

#include <lorapro/core/buffer.hpp>

#include <cstring>  // std::memcmp
#include <vector>   // std::vector

#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::EigenProblem;
using lorapro::Index;
using Matrix = lorapro::RowMatrix<double>;

struct LaneResult {
  explicit LaneResult(Index size) : values(1, size), rows(size, size) {}
  Matrix values, rows;
};

LORAPRO_PACKET_ARGUMENTS_BEGIN

using Full = lorapro::detail::Packets<double>::Packet;
using Half = Eigen::internal::unpacket_traits<Full>::half;
using Quarter = Eigen::internal::unpacket_traits<Half>::half;

/// The matrix in one lane, one of another kind in each of the others.
template <typename Packet>
LaneResult solve(const Matrix& matrix, const Matrix& other, Index lane) {
  using Lanes = lorapro::detail::EigenLanes<Packet>;
  const Index size = matrix.rows();
  std::vector<LaneResult> results(Lanes::kLanes, LaneResult(size));
  std::vector<EigenProblem> problems(Lanes::kLanes);
  std::vector<EigenProblem*> pointers;
  for (std::size_t k = 0; k < problems.size(); ++k) {
    problems[k].matrix = (static_cast<Index>(k) == lane ? matrix : other).data();
    problems[k].values = results[k].values.data();
    problems[k].vectors = results[k].rows.data();
    pointers.push_back(&problems[k]);
  }
  lorapro::Buffer<double> scratch(Lanes::kLanes * (2 * size * size + 4 * size));
  Lanes(size, scratch.data()).run(pointers.data(), Lanes::kLanes);
  CHECK(problems[static_cast<std::size_t>(lane)].state == EigenProblem::State::settled);
  return results[static_cast<std::size_t>(lane)];
}

template <typename Packet>
void check_same(const Matrix& matrix, const Matrix& other, const LaneResult& expected) {
  for (Index lane = 0; lane < lorapro::detail::EigenLanes<Packet>::kLanes; ++lane) {
    CAPTURE(lane);
    const LaneResult result = solve<Packet>(matrix, other, lane);
    const auto same = [](const Matrix& a, const Matrix& b) {
      return std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * 8) == 0;
    };
    CHECK(same(result.values, expected.values));
    CHECK(same(result.rows, expected.rows));
  }
}

TEST_CASE("every width of packet gives the same bits", "[eigen_lanes]") {
  LORAPRO_TEST_RANDOM(random, 81);
  for (const Index size : {1, 2, 3, 5, 8, 17, 40}) {
    CAPTURE(size);
    const Matrix F = reference::rounded<double>(random.matrix(size, (size + 1) / 2));
    const Matrix low_rank = F * F.transpose();
    const Matrix G = reference::rounded<double>(random.matrix(size, size));
    const Matrix symmetric = G + G.transpose();
    for (const Matrix& other : {Matrix(Matrix::Identity(size, size)), low_rank, symmetric})
      for (const Matrix* matrix : {&low_rank, &symmetric}) {
        const LaneResult expected = solve<Quarter>(*matrix, *matrix, 0);
        check_same<Full>(*matrix, other, expected);
        check_same<Half>(*matrix, other, expected);
        check_same<Quarter>(*matrix, other, expected);
      }
  }
}

TEST_CASE("lanes may be left empty, and the matrix is kept", "[eigen_lanes]") {
  using Lanes = lorapro::detail::EigenLanes<Full>;
  const Matrix matrix = Matrix::Constant(3, 3, 2);
  LaneResult result(3);
  EigenProblem problem{matrix.data(), result.values.data(), result.rows.data(),
                       EigenProblem::State::pending};
  EigenProblem* const pointer = &problem;
  lorapro::Buffer<double> scratch(Lanes::kLanes * (2 * 9 + 4 * 3));
  Lanes(3, scratch.data()).run(&pointer, 1);
  CHECK(problem.state == EigenProblem::State::settled);
  CHECK(result.values.maxCoeff() == Approx(6));
  CHECK(problem.matrix == matrix.data());
  CHECK(matrix == Matrix::Constant(3, 3, 2));
}

LORAPRO_PACKET_ARGUMENTS_END

}  // namespace

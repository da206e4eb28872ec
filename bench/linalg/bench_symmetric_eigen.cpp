// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/core/buffer.hpp>
#include <lorapro/linalg/symmetric_eigen.hpp>

#include <Eigen/Eigenvalues>  // SelfAdjointEigenSolver
#include <memory>             // std::make_shared

#include "support/benchmark_case.hpp"
#include "support/spectra_data.hpp"

namespace {

using bench::Index;

std::function<void()> symmetric(Index rank) {
  struct Fixture {
    explicit Fixture(Index r)
        : gram(bench::random_gram(r, 1)),
          work(r, r),
          vectors(r, r),
          values(r),
          scratch(lorapro::symmetric_eigen_scratch(r)) {}
    bench::WideMatrix gram, work, vectors;
    lorapro::Buffer<lorapro::Wide> values, scratch;
  };
  auto fixture = std::make_shared<Fixture>(rank);
  return [fixture] {
    Fixture& f = *fixture;
    f.work = f.gram;  // is destroyed
    bool settled = lorapro::symmetric_eigen(f.work.data(), f.work.rows(), f.values.data(),
                                            f.vectors.data(), f.scratch.data());
    benchmark::DoNotOptimize(settled);
  };
}

std::function<void()> naive_symmetric(Index rank) {
  auto gram = std::make_shared<bench::WideMatrix>(bench::random_gram(rank, 1));
  auto solver = std::make_shared<Eigen::SelfAdjointEigenSolver<bench::WideMatrix>>(rank);
  return [gram, solver] { solver->compute(*gram); };
}

const bool registered = bench::add_all([] {
  std::vector<Index> ranks = bench::solve_ranks();
  ranks.push_back(256);
  for (const Index rank : ranks) {
    const auto r = static_cast<double>(rank);
    bench::Work work;
    work.flops = 9 * r * r * r;
    const std::string rest = "symmetric/r" + std::to_string(rank);
    bench::add("solve/" + rest, work, [=] { return symmetric(rank); });
    bench::add("solve/naive_" + rest, work, [=] { return naive_symmetric(rank); });
  }
});

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/linalg/spectral_pair.hpp>

#include <Eigen/Eigenvalues>  // SelfAdjointEigenSolver
#include <memory>             // std::make_shared

#include "support/benchmark_case.hpp"
#include "support/spectra_data.hpp"

namespace {

using bench::Index;

std::function<void()> spectra(Index rank) {
  auto data = std::make_shared<bench::SpectraData>(rank);
  return [data] {
    bool settled = data->compute_spectra();
    benchmark::DoNotOptimize(settled);
  };
}

std::function<void()> naive_spectra(Index rank) {
  using Solver = Eigen::SelfAdjointEigenSolver<bench::WideMatrix>;
  struct Fixture {
    explicit Fixture(Index r) : data(r), solver_A(r), solver_B(r) {}
    bench::SpectraData data;
    Solver solver_A, solver_B;
  };
  auto fixture = std::make_shared<Fixture>(rank);
  return [fixture] {
    fixture->solver_A.compute(fixture->data.gram_A);
    fixture->solver_B.compute(fixture->data.gram_B);
  };
}

const bool registered = bench::add_all([] {
  for (const Index rank : bench::solve_ranks()) {
    const auto r = static_cast<double>(rank);
    bench::Work work;
    work.flops = 18 * r * r * r;
    const std::string rest = "spectra/r" + std::to_string(rank);
    bench::add("solve/" + rest, work, [=] { return spectra(rank); });
    bench::add("solve/naive_" + rest, work, [=] { return naive_spectra(rank); });
  }
});

}  // namespace

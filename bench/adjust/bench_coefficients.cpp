// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adjust/coefficients.hpp>

#include <Eigen/Eigenvalues>  // SelfAdjointEigenSolver
#include <memory>             // std::make_shared

#include "support/benchmark_case.hpp"
#include "support/spectra_batch.hpp"

namespace {

using bench::Index;
using bench::WideMatrix;

constexpr double kScaling = 2, kDamping = 0.1;

bool compute(bench::SpectraData& data, lorapro::AdjustCoefficients& coefficients) {
  lorapro::AdjustOptions options;
  options.damping = kDamping;
  const lorapro::Dampings lambda = lorapro::scale_free_dampings(data.spectra, kScaling, options, 0);
  return coefficients.compute(data.spectra, {data.square(data.cross_A), data.square(data.cross_B)},
                              {kScaling, lambda, options.gauge, 1.0},
                              lorapro::Workspace(data.scratch));
}

struct Fixture {
  explicit Fixture(Index rank) : data(rank), coefficients(rank) { (void)data.compute_spectra(); }
  bool compute() { return ::compute(data, coefficients); }
  bench::SpectraData data;
  lorapro::AdjustCoefficients coefficients;
};

std::function<void()> coefficients(Index rank) {
  auto fixture = std::make_shared<Fixture>(rank);
  return [fixture] {
    bool finite = fixture->compute();
    benchmark::DoNotOptimize(finite);
  };
}

/// Everything of size r that one pair takes.
std::function<void()> sylvester(Index rank) {
  auto fixture = std::make_shared<Fixture>(rank);
  return [fixture] {
    bool solved = fixture->data.compute_spectra() && fixture->compute();
    benchmark::DoNotOptimize(solved);
  };
}

/// The same where the spectra of several pairs are decomposed together; per pair.
std::function<void()> batched(Index rank) {
  struct Batch {
    explicit Batch(Index r) : pairs(r), coefficients(r) {}
    bench::SpectraBatch pairs;
    lorapro::AdjustCoefficients coefficients;
  };
  auto batch = std::make_shared<Batch>(rank);
  return [batch] {
    bench::SpectraData* const pair = batch->pairs.next_spectra();
    bool solved = pair != nullptr && compute(*pair, batch->coefficients);
    benchmark::DoNotOptimize(solved);
  };
}

/// The same four matrices with Eigen's solvers and products.
std::function<void()> eigen(Index rank) {
  struct Twin {
    explicit Twin(Index r) : data(r), p(r), q(r) {}
    bench::SpectraData data;
    Eigen::SelfAdjointEigenSolver<WideMatrix> p, q;
    WideMatrix core_A, core_B, on_A, on_B, on_grad_A, on_grad_B;
  };
  auto twin = std::make_shared<Twin>(rank);
  return [twin] {
    Twin& t = *twin;
    t.q.compute(t.data.gram_A);
    t.p.compute(t.data.gram_B);
    const auto& V = t.p.eigenvectors();
    const auto& U = t.q.eigenvectors();
    const Eigen::ArrayXd l = kScaling * kScaling * t.p.eigenvalues();
    const Eigen::ArrayXd u = kScaling * kScaling * t.q.eigenvalues();
    const double lambda_A = kDamping * l.maxCoeff(), lambda_B = kDamping * u.maxCoeff();
    t.core_A = V.transpose() * t.data.cross_A * U;
    t.core_B = V.transpose() * t.data.cross_B.transpose() * U;
    for (Index i = 0; i < l.size(); ++i)
      for (Index j = 0; j < l.size(); ++j) {
        const double d =
            -kScaling * kScaling / (lambda_B * l(i) + lambda_A * u(j) + lambda_A * lambda_B);
        t.core_A(i, j) *= lambda_A * d / (l(i) + lambda_A);
        t.core_B(i, j) *= lambda_B * d / (u(j) + lambda_B);
      }
    t.on_A = V * t.core_A * U.transpose();
    t.on_B = V * t.core_B * U.transpose();
    t.on_grad_A = V * (l + lambda_A).inverse().matrix().asDiagonal() * V.transpose();
    t.on_grad_B = U * (u + lambda_B).inverse().matrix().asDiagonal() * U.transpose();
  };
}

const bool registered = bench::add_all([] {
  for (const Index rank : bench::solve_ranks()) {
    const auto r = static_cast<double>(rank);
    const std::string rest = "/r" + std::to_string(rank);
    bench::Work alone;
    alone.flops = 20 * r * r * r;
    alone.least_f64 = alone.flops;
    bench::add("solve/coefficients" + rest, alone, [=] { return coefficients(rank); });
    bench::Work whole;
    whole.flops = 38 * r * r * r;
    bench::add("solve/sylvester" + rest, whole, [=] { return sylvester(rank); });
    bench::add("solve/batched" + rest, whole, [=] { return batched(rank); });
    bench::add("solve/eigen" + rest, whole, [=] { return eigen(rank); });
  }
});

}  // namespace

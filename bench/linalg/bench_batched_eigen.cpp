// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/linalg/batched_eigen.hpp>

#include <memory>  // std::make_shared

#include "support/benchmark_case.hpp"
#include "support/spectra_batch.hpp"

namespace {

using bench::Index;

/// The spectra of one pair, of several that are decomposed together.
std::function<void()> batched(Index rank) {
  auto batch = std::make_shared<bench::SpectraBatch>(rank);
  return [batch] {
    bool settled = batch->next_spectra() != nullptr;
    benchmark::DoNotOptimize(settled);
  };
}

const bool registered = bench::add_all([] {
  for (const Index rank : bench::solve_ranks()) {
    const auto r = static_cast<double>(rank);
    bench::Work work;
    work.flops = 18 * r * r * r;
    bench::add("solve/batched_spectra/r" + std::to_string(rank), work,
               [=] { return batched(rank); });
  }
});

}  // namespace

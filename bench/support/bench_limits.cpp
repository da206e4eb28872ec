// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/core/parallel.hpp>

#include <memory>  // std::make_shared
#include <vector>  // std::vector

#include "support/benchmark_case.hpp"
#include "support/limits.hpp"

namespace {

/// 128 MiB an array: beyond any cache that one core may fill.
constexpr bench::Index kUpdateSize = bench::Index{1} << 25;

std::function<void()> update(int threads) {
  struct Arrays {
    std::vector<float> m = std::vector<float>(kUpdateSize, 1.0F);
    std::vector<float> v = std::vector<float>(kUpdateSize, 1.0F);
  };
  auto arrays = std::make_shared<Arrays>();
  return [arrays, threads] {
    const bench::Index part = kUpdateSize / threads;
    lorapro::parallel_for(threads, threads, [&](bench::Index index, int) {
      bench::update_two(arrays->m.data() + index * part, arrays->v.data() + index * part, part,
                        0.01F);
    });
  };
}

template <typename Scalar>
std::function<void()> fma(int threads) {
  return [threads] {
    lorapro::parallel_for(threads, threads, [](bench::Index, int) { bench::fma_loop<Scalar>(); });
  };
}

template <typename Scalar>
bench::Work fma_work(int threads) {
  bench::Work work;
  work.flops = threads * bench::fma_loop_flops<Scalar>();
  return work;
}

const bool registered = bench::add_all([] {
  for (int threads = 1; threads <= bench::max_threads(); ++threads) {
    bench::Work work;
    work.bytes = 16.0 * kUpdateSize;
    bench::add(
        "limits/update", work, [threads] { return update(threads); }, threads);
    bench::add(
        "limits/fma_f32", fma_work<float>(threads), [threads] { return fma<float>(threads); },
        threads);
    bench::add(
        "limits/fma_f64", fma_work<double>(threads), [threads] { return fma<double>(threads); },
        threads);
  }
});

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/linalg/randomized_svd.hpp>

#include <memory>  // std::make_shared

#include "support/benchmark_case.hpp"
#include "support/pair_data.hpp"

namespace {

using bench::Index;
using Matrix = lorapro::RowMatrix<double>;

const bool registered = bench::add_all([] {
  const bench::Shape shapes[] = {{512, 512, 16}, {1024, 1024, 16}, {4096, 4096, 16}};
  for (const bench::Shape& shape : shapes) {
    const lorapro::RandomizedSvd defaults;
    const auto vectors = static_cast<double>(shape.rank + defaults.oversampling);
    bench::Work work;
    work.flops = 4.0 * (defaults.iterations + 1) * shape.elements() * vectors;
    for (int threads = 1; threads <= bench::max_threads(); ++threads)
      bench::add(
          "svd/randomized/" + shape.name(), work,
          [=] {
            auto M = std::make_shared<Matrix>(
                bench::random_matrix<double>(shape.out, shape.in, 0.02, 1));
            return std::function<void()>([=] {
              lorapro::RandomizedSvd svd;
              svd.threads = threads;
              const auto view = lorapro::make_view(static_cast<const Matrix&>(*M));
              auto found = svd(lorapro::ViewTiles<double>(view),
                               lorapro::ViewTiles<double>(lorapro::transposed(view)), shape.rank);
              benchmark::DoNotOptimize(found.values.data());
            });
          },
          threads);
  }
});

}  // namespace

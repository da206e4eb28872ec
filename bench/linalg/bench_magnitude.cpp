// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/core/buffer.hpp>
#include <lorapro/linalg/magnitude.hpp>

#include <cmath>   // std::nanf
#include <memory>  // std::make_shared

#include "support/benchmark_case.hpp"
#include "support/pair_data.hpp"

namespace {

using bench::Index;
using Matrix = lorapro::RowMatrix<float>;

struct Fixture {
  Fixture(Index rows, Index cols)
      : matrix(bench::random_matrix<float>(rows, cols, 1, 1)),
        view(lorapro::factor_of_A(lorapro::make_view(matrix))),
        scalars(lorapro::panel_size(rows)),
        wide(lorapro::panel_size(rows)) {}
  Matrix matrix;
  lorapro::FactorView view;
  lorapro::Buffer<float> scalars;
  lorapro::Buffer<lorapro::Wide> wide;
};

template <typename Measure>
std::function<void()> measured(Index rows, Index cols, const Measure& measure) {
  auto fixture = std::make_shared<Fixture>(rows, cols);
  return [fixture, measure] {
    auto value = measure(*fixture);
    benchmark::DoNotOptimize(value);
  };
}

const bool registered = bench::add_all([] {
  // A factor of rank 16, and a weight matrix as one long row.
  const Index shapes[][2] = {{16, 768}, {16, 4096}, {1, 4096 * 4096}};
  for (const auto& shape : shapes) {
    const Index rows = shape[0], cols = shape[1];
    const auto add = [&](const std::string& kind, double flops, const auto& measure) {
      bench::Work work;
      work.flops = flops * static_cast<double>(rows * cols);
      work.bytes = 4 * static_cast<double>(rows * cols);
      bench::add("magnitude/" + kind + "/f32/" + std::to_string(rows) + "x" + std::to_string(cols),
                 work, [=] { return measured(rows, cols, measure); });
    };
    add("largest", 1, [](Fixture& f) {
      const Index panels = lorapro::panel_count(f.view.length);
      return lorapro::largest_magnitude(f.view, 0, panels, f.scalars.data());
    });
    add("naive_largest", 1, [](Fixture& f) {
      return f.matrix.allFinite() ? f.matrix.cwiseAbs().maxCoeff() : std::nanf("");
    });
    add("norm", 2, [](Fixture& f) {
      const Index panels = lorapro::panel_count(f.view.length);
      return lorapro::squared_norm(f.view, 0, panels, f.wide.data());
    });
    add("naive_norm", 2, [](Fixture& f) { return f.matrix.cast<double>().squaredNorm(); });
  }
});

}  // namespace

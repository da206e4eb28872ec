// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// A batch times a weight W (out, in) that lies in memory: forward x W^T, backward grad_y W. The naive
// twin is Eigen's product.
#include <lorapro/linalg/tiled_product.hpp>

#include <memory>  // std::make_shared

#include "support/benchmark_case.hpp"
#include "support/pair_data.hpp"

namespace {

using bench::Index;
using Matrix = lorapro::RowMatrix<float>;
using Tiles = lorapro::ViewTiles<float>;

struct Fixture {
  Fixture(Index batch, Index out_features, Index in_features, int threads_)
      : x(bench::random_matrix<float>(batch, in_features, 1, 1)),
        weight(bench::random_matrix<float>(out_features, in_features, 1, 2)),
        y(bench::random_matrix<float>(batch, out_features, 1, 3)),
        threads(threads_) {}

  static lorapro::MatrixView<const float> read(const Matrix& matrix) {
    return lorapro::make_view(matrix);
  }
  void forward() {
    lorapro::TiledProduct<float>::assign(read(x), Tiles(lorapro::transposed(read(weight))),
                                         lorapro::make_view(y), threads);
  }
  void backward() {
    lorapro::TiledProduct<float>::assign(read(y), Tiles(read(weight)), lorapro::make_view(x),
                                         threads);
  }
  void naive_forward() { y.noalias() = x * weight.transpose(); }
  void naive_backward() { x.noalias() = y * weight; }

  Matrix x, weight, y;
  int threads;
};

void add(const std::string& kind, Index batch, Index out_features, Index in_features,
         void (Fixture::*run)()) {
  bench::Work work;
  work.flops = work.least_f32 =
      2 * static_cast<double>(batch) * static_cast<double>(out_features * in_features);
  for (int threads = 1; threads <= bench::max_threads(); ++threads)
    bench::add(
        "product/" + kind + "/f32/" + std::to_string(out_features) + "x" +
            std::to_string(in_features) + "/batch" + std::to_string(batch),
        work,
        [=] {
          auto fixture = std::make_shared<Fixture>(batch, out_features, in_features, threads);
          return std::function<void()>([fixture, run] { (*fixture.*run)(); });
        },
        threads);
}

const bool registered = bench::add_all([] {
  struct Shape {
    Index batch, out_features, in_features;
  };
  // The last one is for the smoke run.
  for (const Shape& s : {Shape{1024, 576, 576}, Shape{1024, 2048, 2048}, Shape{64, 96, 64}}) {
    add("tiled_forward", s.batch, s.out_features, s.in_features, &Fixture::forward);
    add("naive_tiled_forward", s.batch, s.out_features, s.in_features, &Fixture::naive_forward);
    add("tiled_backward", s.batch, s.out_features, s.in_features, &Fixture::backward);
    add("naive_tiled_backward", s.batch, s.out_features, s.in_features, &Fixture::naive_backward);
  }
});

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/layer/lora_layer.hpp>

#include <memory>  // std::make_shared

#include "support/benchmark_case.hpp"
#include "support/pair_data.hpp"

namespace {

using bench::Index;
using Matrix = lorapro::RowMatrix<float>;

struct Fixture {
  Fixture(const bench::Shape& shape, Index batch)
      : weight(bench::random_matrix<float>(shape.out, shape.in, 0.02, 1)),
        layer(lorapro::BaseWeight<float>::map(weight.data(), shape.out, shape.in), config(shape)),
        x(bench::random_matrix<float>(batch, shape.in, 1, 2)),
        y(batch, shape.out),
        grad_y(bench::random_matrix<float>(batch, shape.out, 1e-3, 3)),
        grad_x(batch, shape.in) {
    auto B = layer.lora_B();
    bench::fill_random(B, 0.02, 4);
  }

  static lorapro::LoraConfig config(const bench::Shape& shape) {
    lorapro::LoraConfig result;
    result.rank = shape.rank;
    return result;
  }

  Matrix weight;
  lorapro::LoraLayer<float> layer;
  Matrix x, y, grad_y, grad_x;
};

template <typename Run>
void add(const std::string& kind, const bench::Shape& shape, Index batch, double flops,
         const Run& run) {
  bench::Work work;
  work.flops = flops;
  work.least_f32 = flops;
  const auto make = [=] {
    auto fixture = std::make_shared<Fixture>(shape, batch);
    return std::function<void()>([fixture, run] { run(*fixture); });
  };
  const std::string name = "layer/" + kind + "/" + shape.name() + "/batch" + std::to_string(batch);
  for (int threads = 1; threads <= bench::max_threads(); ++threads)
    bench::add(name, work, make, threads);
}

const bool registered = bench::add_all([] {
  const bench::Shape shapes[] = {{768, 768, 8}, {2048, 2048, 16}};
  constexpr Index kBatch = 256;
  for (const bench::Shape& shape : shapes) {
    const double base = 2.0 * kBatch * shape.elements();
    const double adapter = 2.0 * kBatch * shape.adapter_elements();
    add("forward", shape, kBatch, base + adapter, [](Fixture& f) { f.layer.forward(f.x, f.y); });
    add("base", shape, kBatch, base,
        [](Fixture& f) { f.y.noalias() = f.x * f.weight.transpose(); });
    add("backward", shape, kBatch, base + 3 * adapter, [](Fixture& f) {
      f.layer.zero_grad();  // or the gradients grow
      f.layer.backward(f.x, f.grad_y, f.grad_x);
    });
    add("base_backward", shape, kBatch, base,
        [](Fixture& f) { f.grad_x.noalias() = f.grad_y * f.weight; });
  }
});

}  // namespace

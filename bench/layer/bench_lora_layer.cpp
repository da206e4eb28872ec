// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/layer/dora_layer.hpp>
#include <lorapro/layer/int8_weight.hpp>
#include <lorapro/layer/lora_layer.hpp>
#include <lorapro/layer/nf4_weight.hpp>

#include <memory>  // std::make_shared

#include "support/benchmark_case.hpp"
#include "support/pair_data.hpp"

namespace {

using bench::Index;
using Matrix = lorapro::RowMatrix<float>;

template <typename Base, template <typename, typename> class LayerOf = lorapro::LoraLayer>
struct Fixture {
  using Layer = LayerOf<float, Base>;

  Fixture(const bench::Shape& shape, Index batch, int threads)
      : weight(bench::random_matrix<float>(shape.out, shape.in, 0.02, 1)),
        layer(Layer::Weight::quantize(weight), config(shape)),
        x(bench::random_matrix<float>(batch, shape.in, 1, 2)),
        y(batch, shape.out),
        grad_y(bench::random_matrix<float>(batch, shape.out, 1e-3, 3)),
        grad_x(batch, shape.in) {
    auto B = layer.lora_B();
    bench::fill_random(B, 0.02, 4);
    layer.set_threads(threads);
  }

  static lorapro::LoraConfig config(const bench::Shape& shape) {
    lorapro::LoraConfig result;
    result.rank = shape.rank;
    return result;
  }

  Matrix weight;
  Layer layer;
  Matrix x, y, grad_y, grad_x;
};

template <typename Base, template <typename, typename> class LayerOf = lorapro::LoraLayer,
          typename Run>
void add(const std::string& kind, const bench::Shape& shape, Index batch, double flops,
         const Run& run) {
  bench::Work work;
  work.flops = flops;
  work.least_f32 = flops;
  const std::string name = "layer/" + kind + "/" + shape.name() + "/batch" + std::to_string(batch);
  for (int threads = 1; threads <= bench::max_threads(); ++threads)
    bench::add(
        name, work,
        [=] {
          auto fixture = std::make_shared<Fixture<Base, LayerOf>>(shape, batch, threads);
          return std::function<void()>([fixture, run] { run(*fixture); });
        },
        threads);
}

/// \param suffix  of the names: what W0 is stored in, nothing for float.
template <typename Base>
void add_layer(const std::string& suffix, const bench::Shape& shape, Index batch) {
  const auto rows = static_cast<double>(batch);
  const double base = 2.0 * rows * shape.elements();
  const double adapter = 2.0 * rows * shape.adapter_elements();
  add<Base>("forward" + suffix, shape, batch, base + adapter,
            [](auto& f) { f.layer.forward(f.x, f.y); });
  add<Base>("backward" + suffix, shape, batch, base + 3 * adapter, [](auto& f) {
    f.layer.zero_grad();  // or the gradients grow
    f.layer.backward(f.x, f.grad_y, f.grad_x);
  });
}

const bool registered = bench::add_all([] {
  const bench::Shape shapes[] = {{768, 768, 8}, {2048, 2048, 16}};
  constexpr Index kBatch = 256;
  for (const bench::Shape& shape : shapes) {
    add_layer<float>("", shape, kBatch);
    add_layer<lorapro::bfloat16>("_bf16", shape, kBatch);
    add_layer<lorapro::half>("_half", shape, kBatch);
    add_layer<lorapro::Int8Weight>("_int8", shape, kBatch);
    add_layer<lorapro::Nf4Weight>("_nf4", shape, kBatch);
    const double base = 2.0 * kBatch * shape.elements();
    const double adapter = 2.0 * kBatch * shape.adapter_elements();
    const double norms = 2.0 * shape.elements() * (static_cast<double>(shape.rank) + 1);
    add<float, lorapro::DoraLayer>("dora_forward", shape, kBatch, base + adapter + norms,
                                   [](auto& f) { f.layer.forward(f.x, f.y); });
    add<float, lorapro::DoraLayer>("dora_forward_backward", shape, kBatch,
                                   2 * base + 4 * adapter + norms, [](auto& f) {
                                     f.layer.forward(f.x, f.y);
                                     f.layer.zero_grad();
                                     f.layer.backward(f.x, f.grad_y, f.grad_x);
                                   });
    add<float>("base", shape, kBatch, base,
               [](auto& f) { f.y.noalias() = f.x * f.weight.transpose(); });
    add<float>("base_backward", shape, kBatch, base,
               [](auto& f) { f.grad_x.noalias() = f.grad_y * f.weight; });
  }
});

}  // namespace

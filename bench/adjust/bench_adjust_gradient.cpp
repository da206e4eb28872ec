// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adjust/adjust_gradient.hpp>

#include <memory>  // std::make_shared

#include "bench/naive/adjust.hpp"
#include "support/benchmark_case.hpp"
#include "support/pair_data.hpp"

namespace {

std::function<void()> gradient(const bench::Shape& shape, double damping) {
  struct Fixture {
    explicit Fixture(const bench::Shape& s)
        : pair(s), step_A(s.rank, s.in), step_B(s.out, s.rank), workspace(s.rank) {}
    bench::PairData pair;
    bench::PairData::Matrix step_A, step_B;
    lorapro::AdjustWorkspace<float> workspace;
  };
  auto fixture = std::make_shared<Fixture>(shape);
  lorapro::AdjustOptions options;
  options.damping = damping;
  return [fixture, options] {
    Fixture& f = *fixture;
    auto report = lorapro::adjust_gradient(
        lorapro::lora_factors(f.pair.lora_A, f.pair.lora_B, f.pair.scaling),
        lorapro::factor_pair(f.pair.grad_A, f.pair.grad_B),
        lorapro::factor_pair(f.step_A, f.step_B), options, &f.workspace);
    benchmark::DoNotOptimize(report);
  };
}

std::function<void()> naive_gradient(const bench::Shape& shape) {
  auto pair = std::make_shared<bench::PairData>(shape);
  return [pair] {
    const naive::Steps<float> steps =
        naive::adjust<float>(pair->lora_A, pair->lora_B, pair->grad_A, pair->grad_B, pair->scaling);
    benchmark::DoNotOptimize(steps.A.data());
    benchmark::DoNotOptimize(steps.B.data());
  };
}

const bool registered = bench::add_all([] {
  for (const bench::Shape& shape : bench::kernel_shapes()) {
    const auto r = static_cast<double>(shape.rank);
    bench::Work work;
    work.flops = 7 * shape.adapter_products() + 38 * r * r * r;
    work.bytes = 20 * shape.adapter_elements();
    work.least_f64 = 3 * shape.adapter_products();
    work.least_f32 = 4 * shape.adapter_products();
    bench::add("adjust/gradient/f32/" + shape.name(), work, [=] { return gradient(shape, 0.1); });
    bench::add("adjust/naive_gradient/f32/" + shape.name(), work,
               [=] { return naive_gradient(shape); });
    // Undamped, badly conditioned pairs are combined in double.
    bench::Work exact = work;
    exact.least_f64 += exact.least_f32;
    exact.least_f32 = 0;
    bench::add("adjust/exact_gradient/f32/" + shape.name(), exact,
               [=] { return gradient(shape, 0); });
  }
});

}  // namespace

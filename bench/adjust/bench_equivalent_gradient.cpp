// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adjust/equivalent_gradient.hpp>

#include <memory>  // std::make_shared

#include "bench/naive/adjust.hpp"
#include "support/benchmark_case.hpp"
#include "support/pair_data.hpp"

namespace {

/// The gradients stand for dA and dB: the kernels take any.
std::function<void()> norm(const bench::Shape& shape) {
  auto pair = std::make_shared<bench::PairData>(shape);
  return [pair] {
    auto value = lorapro::equivalent_gradient_norm(
        lorapro::lora_factors(pair->lora_A, pair->lora_B, pair->scaling),
        lorapro::factor_pair(pair->grad_A, pair->grad_B));
    benchmark::DoNotOptimize(value);
  };
}

std::function<void()> naive_norm(const bench::Shape& shape) {
  struct Fixture {
    explicit Fixture(const bench::Shape& s) : pair(s), steps{pair.grad_A, pair.grad_B} {}
    bench::PairData pair;
    naive::Steps<float> steps;
  };
  auto fixture = std::make_shared<Fixture>(shape);
  return [fixture] {
    const bench::PairData& pair = fixture->pair;
    auto value =
        naive::equivalent_gradient<float>(pair.lora_A, pair.lora_B, fixture->steps, pair.scaling)
            .norm();
    benchmark::DoNotOptimize(value);
  };
}

constexpr bench::Index kSize = 64;

/// kSize x kSize elements of E.
std::function<void()> block(const bench::Shape& shape, bool naive) {
  struct Fixture {
    explicit Fixture(const bench::Shape& s) : pair(s), out(kSize, kSize) {}
    bench::PairData pair;
    bench::PairData::Matrix out;
  };
  auto fixture = std::make_shared<Fixture>(shape);
  if (naive)
    return [fixture] {
      const bench::PairData& pair = fixture->pair;
      fixture->out.noalias() =
          static_cast<float>(pair.scaling) *
          (pair.lora_B.middleRows(kSize, kSize) * pair.grad_A.middleCols(kSize, kSize) +
           pair.grad_B.middleRows(kSize, kSize) * pair.lora_A.middleCols(kSize, kSize));
    };
  return [fixture] {
    const bench::PairData& pair = fixture->pair;
    lorapro::equivalent_gradient_block(
        lorapro::lora_factors(pair.lora_A, pair.lora_B, pair.scaling),
        lorapro::factor_pair(pair.grad_A, pair.grad_B), kSize, kSize, fixture->out);
  };
}

const bool registered = bench::add_all([] {
  for (const bench::Shape& shape : bench::kernel_shapes()) {
    bench::Work work;
    work.flops = 6 * shape.adapter_products();
    work.bytes = 8 * shape.adapter_elements();
    work.least_f64 = 4 * shape.adapter_products();  // Gram matrices are symmetric
    const std::string rest = "norm/f32/" + shape.name();
    bench::add("adjust/" + rest, work, [=] { return norm(shape); });
    bench::add("adjust/naive_" + rest, work, [=] { return naive_norm(shape); });
  }
  const bench::Shape& shape = bench::step_shapes().front();
  bench::Work work;
  work.flops = 4 * static_cast<double>(shape.rank * kSize * kSize);
  work.least_f64 = work.flops;
  const std::string rest = "block64/f32/" + shape.name();
  bench::add("adjust/" + rest, work, [=] { return block(shape, false); });
  bench::add("adjust/naive_" + rest, work, [=] { return block(shape, true); });
});

}  // namespace

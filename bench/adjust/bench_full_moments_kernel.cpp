// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adjust/full_moments_kernel.hpp>
#include <lorapro/core/buffer.hpp>

#include <memory>  // std::make_shared

#include "bench/naive/adam.hpp"
#include "bench/naive/adjust.hpp"
#include "support/benchmark_case.hpp"
#include "support/pair_data.hpp"

namespace {

using bench::Index;

template <typename Storage>
std::function<void()> pass(const bench::Shape& shape) {
  using Buffers = lorapro::FullMomentsBuffers<float>;
  struct Fixture {
    explicit Fixture(const bench::Shape& s)
        : moments(s.out, s.in),
          memory(Buffers::size({s.out, s.in, s.rank})),
          buffers(memory.data(), {s.out, s.in, s.rank}),
          scratch(lorapro::full_moments_scratch_size<float>(s.rank)) {
      // Small enough for products of rank r to stay of order one.
      for (Index i = 0; i < memory.size(); ++i)
        memory[i] = static_cast<float>(
            0.02 * (2 * lorapro::random_uniform(1, static_cast<std::uint64_t>(i)) - 1));
    }
    lorapro::MomentTiles<float, Storage> moments;
    lorapro::Buffer<float> memory;
    Buffers buffers;
    lorapro::Buffer<float> scratch;
  };
  auto fixture = std::make_shared<Fixture>(shape);
  return [fixture, shape] {
    Fixture& f = *fixture;
    const lorapro::FullMomentsConstants<float> constants(0.9, 0.999, 1e-8, 1000);
    const auto in_turn = [](Index) {};
    const lorapro::FullMomentsBlocks<float> blocks(shape.in);
    lorapro::FullMomentsPass<float, Storage> pass(constants, f.buffers, f.moments, 1);
    for (Index block = 0; block < blocks.count(); ++block)
      pass.run(blocks.first_tile(block), blocks.first_tile(block + 1), f.scratch.data(), in_turn,
               in_turn);
  };
}

/// E, the moments and H as matrices.
std::function<void()> naive_pass(const bench::Shape& shape) {
  struct Fixture {
    explicit Fixture(const bench::Shape& s)
        : pair(s), adam(s.out, s.in), steps{pair.grad_A, pair.grad_B} {}
    bench::PairData pair;
    naive::Adam<float> adam;
    naive::Steps<float> steps;
    naive::Matrix<float> back_A, back_B;
  };
  auto fixture = std::make_shared<Fixture>(shape);
  return [fixture] {
    Fixture& f = *fixture;
    const auto s = static_cast<float>(f.pair.scaling);
    const naive::Matrix<float> H = f.adam.direction(
        naive::equivalent_gradient<float>(f.pair.lora_A, f.pair.lora_B, f.steps, f.pair.scaling));
    f.back_A.noalias() = s * f.pair.lora_B.transpose() * H;
    f.back_B.noalias() = s * H * f.pair.lora_A.transpose();
  };
}

const bool registered = bench::add_all([] {
  for (const bench::Shape& shape : bench::kernel_shapes()) {
    const auto work = [&](double moment_bytes) {
      const double products = 8 * static_cast<double>(shape.rank) * shape.elements();
      bench::Work result;
      result.flops = products + 14 * shape.elements();
      result.bytes = 4 * moment_bytes * shape.elements();
      result.least_f32 = products;
      result.least_bytes = result.bytes;
      return result;
    };
    bench::add("adjust/full_pass/f32/" + shape.name(), work(4), [=] { return pass<float>(shape); });
    bench::add("adjust/full_pass/bf16/" + shape.name(), work(2),
               [=] { return pass<lorapro::bfloat16>(shape); });
    bench::add("adjust/naive_full_pass/f32/" + shape.name(), work(4),
               [=] { return naive_pass(shape); });
  }
});

}  // namespace

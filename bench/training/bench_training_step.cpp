// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// What a user pays in the end: forward, backward and optimizer step of a transformer block with an
// adapter on each of its linear layers.

#include <lorapro/lorapro.hpp>

#include <memory>  // std::make_shared

#include "examples/nn/training.hpp"
#include "examples/nn/transformer_block.hpp"
#include "support/step_case.hpp"

namespace {

namespace nn = examples::nn;
using bench::Index;
using Matrix = lorapro::RowMatrix<float>;

struct Block {
  Index width;
  Index heads;
  Index sequences;
  Index length;

  Index tokens() const { return sequences * length; }
  std::string name() const {
    return "block" + std::to_string(width) + "x" + std::to_string(tokens()) + "tokens";
  }
};

constexpr Index kRank = 8;

template <typename Rule>
struct Fixture {
  Fixture(const Block& shape, int threads)
      : block(shape.width, shape.heads, false),
        sequences{shape.sequences, shape.length, {}},
        x(bench::random_matrix<float>(shape.tokens(), shape.width, 1, 1)),
        grad_y(bench::random_matrix<float>(shape.tokens(), shape.width, 1e-3, 2)),
        optimizer(bench::step_config(threads)) {
    nn::set_threads(threads);
    examples::RandomEngine engine(3);
    block.randomize(engine, 1);
    lorapro::LoraConfig config;
    config.rank = kRank;
    nn::attach_adapters(block, [&](std::size_t) { return config; });
    nn::for_each_linear(block, [](const std::string&, auto& linear) {
      auto B = linear.adapter()->lora_B();
      bench::fill_random(B, 0.02, 4);
    });
    nn::attach_to(optimizer, block);
  }

  void step() {
    block.forward(x, sequences, y);
    block.backward(x, sequences, grad_y, grad_x);
    (void)optimizer.step();
    optimizer.zero_grad();
  }

  nn::TransformerBlock<float> block;
  nn::Sequences sequences;
  Matrix x, y, grad_y, grad_x;
  lorapro::Optimizer<float, Rule> optimizer;
};

template <typename Rule>
void add(const std::string& kind) {
  // The second one is for the smoke run.
  for (const Block& shape : {Block{768, 12, 32, 128}, Block{48, 4, 2, 8}}) {
    // Twelve width^2 weights, forward and back to x; queries with keys and weights with values.
    const auto width = static_cast<double>(shape.width),
               tokens = static_cast<double>(shape.tokens());
    bench::Work work;
    work.flops = work.least_f32 =
        48 * width * width * tokens + 12 * static_cast<double>(shape.length) * width * tokens;
    for (int threads = 1; threads <= bench::max_threads(); ++threads)
      bench::add(
          "training/" + kind + "/f32/" + shape.name() + "/r" + std::to_string(kRank), work,
          [=] {
            auto fixture = std::make_shared<Fixture<Rule>>(shape, threads);
            return std::function<void()>([fixture] { fixture->step(); });
          },
          threads);
  }
}

const bool registered = bench::add_all([] {
  add<lorapro::AdamWRule>("lora_adamw");
  add<lorapro::LoraPro<lorapro::AdapterMoments>>("adapter");
  add<lorapro::LoraPro<lorapro::FullMoments<float>>>("full");
  add<lorapro::LoraPro<lorapro::FullMoments<lorapro::bfloat16>>>("full_bf16");
});

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// What the text programs of examples/ do over and over: loss, gradients and optimizer step of the
// small GPT, with an adapter on each of its linear layers or trained as a whole.

#include <lorapro/lorapro.hpp>

#include <memory>  // std::make_shared
#include <vector>  // std::vector

#include "examples/nn/gpt.hpp"
#include "examples/nn/training.hpp"
#include "support/step_case.hpp"

namespace {

namespace nn = examples::nn;
using bench::Index;

constexpr Index kAdapterRank = 8;

struct GptFixture {
  GptFixture(Index sequence_count, bool with_adapters, int threads)
      : gpt(config),
        sequences{sequence_count, config.context, {}},
        optimizer(bench::step_config(threads)) {
    nn::set_threads(threads);
    examples::RandomEngine engine(3);
    gpt.randomize(engine);
    if (with_adapters) {
      lorapro::LoraConfig adapter;
      adapter.rank = kAdapterRank;
      nn::attach_adapters(gpt, [&](std::size_t) { return adapter; });
      nn::for_each_linear(gpt, [](const std::string&, auto& linear) {
        auto B = linear.adapter()->lora_B();
        bench::fill_random(B, 0.02, 4);
      });
    }
    nn::attach_to(optimizer, gpt);
    for (Index i = 0; i < sequences.rows(); ++i)
      tokens.push_back(static_cast<int>(lorapro::random_bits(5, static_cast<std::uint64_t>(i)) %
                                        static_cast<std::uint64_t>(config.vocabulary)));
    labels.assign(tokens.begin() + 1, tokens.end());
    labels.push_back(nn::kNoLabel);
  }

  void step() {
    gpt.loss_and_gradients(tokens, sequences, labels);
    (void)optimizer.step();
    optimizer.zero_grad();
  }

  nn::GptConfig config;
  nn::Gpt<float> gpt;
  nn::Sequences sequences;
  lorapro::LoraProOptimizer<float> optimizer;
  std::vector<int> tokens, labels;
};

void add(const std::string& kind, bool with_adapters) {
  const nn::GptConfig config;
  for (const Index sequence_count : {16, 1}) {  // the second one is for the smoke run
    const Index rows = sequence_count * config.context;
    // Twelve width^2 weights a block and the head, each multiplied twice, or three times where they
    // are trained; queries with keys and weights with values, of what came before.
    const auto width = static_cast<double>(config.width), tokens = static_cast<double>(rows);
    const double weights = 12 * width * width * static_cast<double>(config.layers) +
                           width * static_cast<double>(config.vocabulary);
    bench::Work work;
    work.flops = work.least_f32 =
        (with_adapters ? 4 : 6) * weights * tokens +
        6 * static_cast<double>(config.context * config.layers) * width * tokens;
    for (int threads = 1; threads <= bench::max_threads(); ++threads)
      bench::add(
          "training/" + kind + "/f32/gpt128x4x" + std::to_string(rows) + "tokens" +
              (with_adapters ? "/r" + std::to_string(kAdapterRank) : ""),
          work,
          [=] {
            auto fixture = std::make_shared<GptFixture>(sequence_count, with_adapters, threads);
            return std::function<void()>([fixture] { fixture->step(); });
          },
          threads);
  }
}

const bool registered = bench::add_all([] {
  add("spectral", true);
  add("dense_spectral", false);
});

}  // namespace

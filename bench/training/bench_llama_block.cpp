// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// Forward and backward of one layer of a language model of Llama's kind, with adapters on its seven
// linear layers, for each format of the frozen weights: the layers of SmolLM2-135M, Qwen2.5-0.5B and
// Llama-3.2-1B.

#include <memory>  // std::make_shared

#include "examples/llm/llama_block.hpp"
#include "support/benchmark_case.hpp"
#include "support/pair_data.hpp"

namespace {

namespace llm = examples::llm;
using bench::Index;
using Matrix = lorapro::RowMatrix<float>;

constexpr Index kRank = 16;

struct Shape {
  Index hidden, intermediate, heads, kv_heads, head_dim, tokens;

  llm::LlamaConfig config() const {
    llm::LlamaConfig out;
    out.hidden_size = hidden;
    out.intermediate_size = intermediate;
    out.layers = 1;
    out.heads = heads;
    out.kv_heads = kv_heads;
    out.head_dim = head_dim;
    out.vocab_size = 1;
    return out;
  }
  std::string name() const {
    return std::to_string(hidden) + "x" + std::to_string(intermediate) + "/" +
           std::to_string(tokens) + "tokens/r" + std::to_string(kRank);
  }
};

/// Random weights of the size that trained ones have.
class RandomLayer final : public llm::ModelTensors {
 public:
  explicit RandomLayer(const llm::LlamaConfig& config)
      : config_(config), shapes_(llm::expected_shapes(config)) {}

  const llm::LlamaConfig& config() const override { return config_; }
  std::string place() const override { return "random"; }
  const std::map<std::string, Shape>& shapes() const override { return shapes_; }
  void read(const std::string& name, Index row, Index rows, float* out) const override {
    const Shape& shape = shapes_.at(name);
    const bool is_gain = shape.size() == 1;
    Eigen::Map<Matrix> matrix(out, rows, shape.back());
    bench::fill_random(matrix, is_gain ? 1 : 1 / std::sqrt(static_cast<double>(shape.back())),
                       static_cast<std::uint64_t>(row));
  }

 private:
  llm::LlamaConfig config_;
  std::map<std::string, Shape> shapes_;
};

struct Fixture {
  Fixture(const Shape& shape, llm::BaseFormat format, int threads)
      : config(shape.config()),
        block(RandomLayer(config), "model.layers.0.", format,
              [](const std::string&) {
                lorapro::LoraConfig lora;
                lora.rank = kRank;
                return std::optional(lora);
              }),
        kept(config),
        work(config),
        x(bench::random_matrix<float>(shape.tokens, shape.hidden, 1, 1)),
        grad(bench::random_matrix<float>(shape.tokens, shape.hidden, 1e-3, 2)),
        y(shape.tokens, shape.hidden) {
    layout.spans = {{0, shape.tokens, 0, 0}};
    for (Index i = 0; i < shape.tokens; ++i) layout.positions.push_back(i);
    work.rotary.reserve(shape.tokens);
    work.threads = threads;
    block.for_each_linear([&](const char*, llm::Projection<float>& linear) {
      linear.set_threads(threads);
      auto B = linear.pair()->lora_B();
      bench::fill_random(B, 0.02, 4);
    });
  }

  void step() {
    const llm::ConstRows<float> from(x.data(), x.rows(), x.cols());
    block.forward(from, layout, kept, work, nullptr, {y.data(), y.rows(), y.cols()});
    // The gradient of the layer's output becomes that of its input.
    y = grad;
    block.backward(from, layout, kept, work, {y.data(), y.rows(), y.cols()}, true);
  }

  llm::LlamaConfig config;
  llm::LlamaBlock<float> block;
  llm::BlockActivations<float> kept;
  llm::BlockWorkspace<float> work;
  llm::RowLayout layout;
  Matrix x, grad, y;
};

bench::Work work_of(const Shape& shape) {
  const llm::LlamaConfig config = shape.config();
  const auto tokens = static_cast<double>(shape.tokens);
  double sides = 0;  // of the seven matrices
  for (const auto& entry : llm::expected_shapes(config))
    if (entry.first.find("_proj") != std::string::npos)
      sides += static_cast<double>(entry.second[0] + entry.second[1]);
  bench::Work work;
  // W0 forward and back to its input; of the adapters six small products; of the causal half of
  // attention two products forward and five back.
  work.flops = work.least_f32 =
      tokens * (4 * static_cast<double>(config.layer_weights()) + 6 * sides * kRank +
                7 * tokens * static_cast<double>(config.query_size()));
  return work;
}

void add(const std::string& kind, llm::BaseFormat format) {
  // The last one is for the smoke run.
  for (const Shape& shape : {Shape{576, 1536, 9, 3, 64, 1024}, Shape{896, 4864, 14, 2, 64, 1024},
                             Shape{2048, 8192, 32, 8, 64, 1024}, Shape{64, 96, 4, 2, 16, 32}})
    for (int threads = 1; threads <= bench::max_threads(); ++threads)
      bench::add(
          "training/llama_block/" + kind + "/" + shape.name(), work_of(shape),
          [=] {
            auto fixture = std::make_shared<Fixture>(shape, format, threads);
            return std::function<void()>([fixture] { fixture->step(); });
          },
          threads);
}

const bool registered = bench::add_all([] {
  add("f32", llm::BaseFormat::full);
  add("bf16", llm::BaseFormat::bf16);
  add("int8", llm::BaseFormat::int8);
  add("nf4", llm::BaseFormat::nf4);
});

}  // namespace

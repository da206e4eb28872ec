// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include "examples/llm/llama.hpp"
#include "support/random.hpp"

/// \file
/// Small random models of Llama's kind.

namespace tiny_llama {

using examples::llm::kNoLabel;
using examples::llm::Llama;
using examples::llm::LlamaConfig;
using examples::llm::LlamaOptions;
using examples::llm::ModelTensors;
using examples::llm::TokenBatch;
using examples::llm::TokenId;
using lorapro::Index;

/// Two layers of four heads, two of them to a key-value head.
inline LlamaConfig config() {
  LlamaConfig out;
  out.hidden_size = 16;
  out.intermediate_size = 24;
  out.layers = 2;
  out.heads = 4;
  out.kv_heads = 2;
  out.head_dim = 4;
  out.vocab_size = 37;
  out.eos = {2};
  return out;
}

/// Random tensors, all that a configuration asks for.
class RandomTensors : public ModelTensors {
 public:
  explicit RandomTensors(const LlamaConfig& config, std::uint64_t seed = 1)
      : config_(config), shapes_(examples::llm::expected_shapes(config)) {
    support::Random random(seed);
    for (const auto& [name, shape] : shapes_) {
      const bool is_gain = shape.size() == 1 && name.find("norm") != std::string::npos;
      Index count = 1;
      for (const Index size : shape) count *= size;
      const double deviation =
          shape.size() == 2 ? 1 / std::sqrt(static_cast<double>(shape[1])) : 0.3;
      for (Index i = 0; i < count; ++i)
        values_[name].push_back(
            static_cast<float>((is_gain ? 1 : 0) + deviation * random.normal()));
    }
  }

  const LlamaConfig& config() const override { return config_; }
  std::string place() const override { return "random"; }
  const std::map<std::string, Shape>& shapes() const override { return shapes_; }
  void read(const std::string& name, Index row, Index rows, float* out) const override {
    const Index cols = shapes_.at(name).back();
    std::copy_n(values_.at(name).begin() + row * cols, rows * cols, out);
  }

  std::map<std::string, Shape>& shapes_to_change() { return shapes_; }

 private:
  LlamaConfig config_;
  std::map<std::string, Shape> shapes_;
  std::map<std::string, std::vector<float>> values_;
};

/// Examples of these lengths, one label in four masked.
inline TokenBatch batch(const LlamaConfig& config, const std::vector<Index>& lengths,
                        std::uint64_t seed = 2) {
  support::Random random(seed);
  TokenBatch out;
  for (const Index length : lengths) {
    for (Index i = 0; i < length; ++i) {
      const auto size = static_cast<std::uint64_t>(config.vocab_size);
      out.ids.push_back(static_cast<TokenId>(random.bits() % size));
      const auto label = static_cast<TokenId>(random.bits() % size);
      out.labels.push_back(random.bits() % 4 == 0 ? kNoLabel : label);
    }
    out.starts.push_back(out.rows());
  }
  return out;
}

/// A model whose B are not 0.
template <typename Scalar>
Llama<Scalar> model(const LlamaConfig& config, const LlamaOptions& options) {
  Llama<Scalar> out(std::make_shared<RandomTensors>(config), options);
  support::Random random(3);
  for (const auto& layer : out.trained()) {
    auto B = layer.pair->lora_B();
    for (Index i = 0; i < B.size(); ++i) B.data()[i] = static_cast<Scalar>(0.2 * random.normal());
  }
  return out;
}

/// Options in full precision, small ranks.
inline LlamaOptions options() {
  LlamaOptions out;
  out.base = examples::llm::BaseFormat::full;
  out.lora.rank = 3;
  out.lora.lora_alpha = 6;
  return out;
}

/// All gradients of a model, one after the other.
template <typename Scalar>
std::vector<Scalar> gradients(const Llama<Scalar>& model) {
  std::vector<Scalar> out;
  for (const auto& layer : model.trained())
    for (const auto& grad : {layer.pair->grad_A(), layer.pair->grad_B()})
      out.insert(out.end(), grad.data(), grad.data() + grad.size());
  return out;
}

}  // namespace tiny_llama

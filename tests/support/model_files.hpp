// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>  // std::copy_n, std::max
#include <cmath>      // std::abs

#include "support/catch.hpp"
#include "support/tiny_llama.hpp"

/// \file
/// Random models that tests write into files of every kind.

namespace model_files {

using lorapro::Index;

/// Like the model of tiny_llama, with sizes that have whole blocks of Q8_0.
inline tiny_llama::LlamaConfig file_config(const std::string& architecture) {
  tiny_llama::LlamaConfig config = tiny_llama::config();
  config.architecture = architecture;
  config.hidden_size = 32;
  config.intermediate_size = 64;
  config.head_dim = 8;
  config.qkv_bias = architecture == "qwen2";
  config.qk_norm = architecture == "qwen3";
  config.tied_embeddings = architecture == "qwen2";
  config.max_positions = 128;
  return config;
}

inline std::vector<float> numbers(const tiny_llama::ModelTensors& tensors,
                                  const std::string& name) {
  const auto& shape = tensors.shapes().at(name);
  Index count = 1;
  for (const Index size : shape) count *= size;
  std::vector<float> out(static_cast<std::size_t>(count));
  tensors.read(name, 0, shape.size() == 1 ? 1 : shape[0], out.data());
  return out;
}

/// \param tolerance  relative to the largest number of a tensor.
inline void check_same(const tiny_llama::ModelTensors& found,
                       const tiny_llama::ModelTensors& expected, float tolerance) {
  examples::llm::check_tensors(found);
  REQUIRE(found.shapes() == expected.shapes());
  for (const auto& entry : expected.shapes()) {
    INFO(entry.first);
    const auto ours = numbers(found, entry.first), theirs = numbers(expected, entry.first);
    float largest = 0, worst = 0;
    for (std::size_t i = 0; i < ours.size(); ++i) {
      largest = std::max(largest, std::abs(theirs[i]));
      worst = std::max(worst, std::abs(ours[i] - theirs[i]));
    }
    CHECK(worst <= tolerance * largest);
  }
}

inline std::vector<std::uint64_t> unsigned_shape(const std::vector<Index>& shape) {
  return {shape.begin(), shape.end()};
}

/// Rows of q and k as llama.cpp's llama turns them: neighbours, not halves of a head.
inline std::vector<float> neighbours(const std::vector<float>& halves, Index cols, Index dim) {
  std::vector<float> out(halves.size());
  const Index rows = static_cast<Index>(halves.size()) / cols;
  for (Index row = 0; row < rows; ++row) {
    const Index head = row / dim * dim, i = row % dim % (dim / 2), j = row % dim / (dim / 2);
    std::copy_n(halves.begin() + row * cols, cols, out.begin() + (head + 2 * i + j) * cols);
  }
  return out;
}

}  // namespace model_files

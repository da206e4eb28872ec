// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// LoraProOptimizer of lorapro::torch on the memory of tensors and by tensor operations, beside
// libtorch's own AdamW on the same factors.

#include <lorapro/adapters/torch.hpp>
#include <torch/torch.h>

#include <memory>     // std::make_shared
#include <stdexcept>  // std::runtime_error
#include <vector>     // std::vector

#include "support/benchmark_case.hpp"

namespace {

using lorapro::torch_adapter::LoraPair;
using lorapro::torch_adapter::LoraProOptimizer;
using lorapro::torch_adapter::LoraProOptions;
using lorapro::torch_adapter::StepPath;

// Small enough for the factors to stay where they are over all iterations.
constexpr double kLearningRate = 1e-8;

struct Model {
  std::string name;
  std::int64_t rank;
  std::vector<std::pair<std::int64_t, std::int64_t>> shapes;  // (out, in)
};

/// Blocks of a transformer: four projections of attention, and two of four times the width.
Model blocks(int count, std::int64_t width) {
  Model model{"blocks" + std::to_string(count) + "x" + std::to_string(width), 16, {}};
  for (int block = 0; block < count; ++block) {
    for (int i = 0; i < 4; ++i) model.shapes.emplace_back(width, width);
    model.shapes.emplace_back(4 * width, width);
    model.shapes.emplace_back(width, 4 * width);
  }
  return model;
}

Model equal_pairs(int count, std::int64_t size) {
  return {std::to_string(count) + "x" + std::to_string(size) + "x" + std::to_string(size), 16,
          std::vector<std::pair<std::int64_t, std::int64_t>>(static_cast<std::size_t>(count),
                                                             {size, size})};
}

std::vector<LoraPair> pairs_of(const Model& model) {
  torch::manual_seed(1);
  const auto random = [](std::int64_t rows, std::int64_t cols) {
    torch::Tensor tensor = torch::randn({rows, cols}).mul_(0.02).set_requires_grad(true);
    tensor.mutable_grad() = torch::randn({rows, cols}).mul_(0.02);
    return tensor;
  };
  std::vector<LoraPair> pairs;
  for (const auto& [out, in] : model.shapes)
    pairs.push_back({random(model.rank, in), random(out, model.rank), 2.0});
  return pairs;
}

std::function<void()> adamw_step(const Model& model) {
  std::vector<torch::Tensor> factors;
  for (const LoraPair& pair : pairs_of(model)) {
    factors.push_back(pair.lora_A);
    factors.push_back(pair.lora_B);
  }
  auto optimizer = std::make_shared<torch::optim::AdamW>(
      factors, torch::optim::AdamWOptions(kLearningRate).weight_decay(0));
  return [optimizer] { optimizer->step(); };
}

std::function<void()> library_step(const Model& model, const std::string& rule, StepPath path) {
  auto optimizer = std::make_shared<LoraProOptimizer>(
      pairs_of(model), LoraProOptions(kLearningRate).rule(rule).path(path).threads(1));
  const auto count = static_cast<lorapro::Index>(model.shapes.size());
  return [optimizer, count] {
    optimizer->step();
    if (optimizer->report().updated != count) throw std::runtime_error("step: a pair was skipped");
  };
}

const bool registered = bench::add_all([] {
  torch::set_num_threads(1);
  for (const Model& model : {blocks(1, 64), blocks(4, 256), equal_pairs(224, 2048)}) {
    const std::string shape = "/f32/" + model.name + "/r" + std::to_string(model.rank);
    bench::add("torch/lora_adamw" + shape, {}, [=] { return adamw_step(model); });
    for (const char* rule : {"adamw", "lora_pro_adapter", "lora_pro_spectral", "lora_pro_full"}) {
      // Full moments of 2048 x 2048 would be 7.5 GB.
      if (rule == std::string("lora_pro_full") && model.shapes.size() > 100) continue;
      const std::string name = std::string(rule) + shape;
      bench::add("torch_mapped/" + name, {},
                 [=] { return library_step(model, rule, StepPath::automatic); });
      bench::add("torch_tensors/" + name, {},
                 [=] { return library_step(model, rule, StepPath::tensor); });
    }
  }
});

}  // namespace

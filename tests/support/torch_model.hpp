// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>  // std::max
#include <vector>     // std::vector

#include "support/torch.hpp"

namespace support {

/// Pairs of several shapes and two parameters without factors, with one loss over all of them.
struct TorchModel {
  using Tensor = torch::Tensor;
  using Optimizer = lorapro::torch_adapter::LoraProOptimizer;
  struct Target {
    Tensor W, x;
  };
  std::vector<lorapro::torch_adapter::LoraPair> pairs;
  std::vector<Target> targets;
  Tensor bias, head;

  TorchModel(torch::ScalarType type, std::uint64_t seed, double deviation_B = 0.5) {
    torch::manual_seed(seed);
    const std::int64_t shapes[][3] = {{14, 23, 3}, {20, 9, 4}, {6, 6, 6}, {7, 12, 1}};
    double scaling = 0.5;
    for (const auto& [m, n, r] : shapes) {
      pairs.push_back({leaf({r, n}, type), leaf({m, r}, type, deviation_B), scaling *= 1.6});
      targets.push_back({torch::randn({m, n}, torch::kDouble).to(type),
                         torch::randn({30, n}, torch::kDouble).to(type)});
    }
    bias = leaf({11}, type);
    head = leaf({5, 4}, type);
  }

  std::vector<Tensor> others() const { return {bias, head}; }
  std::vector<Tensor> all() const {
    std::vector<Tensor> result = others();
    for (const auto& pair : pairs) {
      result.push_back(pair.lora_A);
      result.push_back(pair.lora_B);
    }
    return result;
  }

  Tensor loss() const {
    Tensor sum = (bias.square().sum() + (head * head * head).sum() * 0.1).to(torch::kDouble);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const auto& pair = pairs[i];
      const Tensor& x = targets[i].x;
      const Tensor y = x.mm(pair.lora_A.t()).mm(pair.lora_B.t()) * pair.scaling;
      sum = sum + (y - x.mm(targets[i].W.t())).square().mean().to(torch::kDouble);
    }
    return sum;
  }

  Optimizer optimizer(const lorapro::torch_adapter::LoraProOptions& options) const {
    return Optimizer({torch::optim::OptimizerParamGroup(all())}, pairs, options);
  }

  /// Gradients in fresh memory, as after zero_grad(set_to_none).
  void backward() const {
    for (Tensor parameter : all()) parameter.mutable_grad().reset();
    loss().backward();
  }

  void train(Optimizer& optimizer, int steps) const {
    for (int step = 0; step < steps; ++step) {
      backward();
      optimizer.step();
    }
  }

  double deviation_from(const TorchModel& other) const {
    double worst = 0;
    for (std::size_t i = 0; i < all().size(); ++i)
      worst = std::max(worst, deviation(all()[i].detach(), other.all()[i].detach()));
    return worst;
  }
  bool same_bits(const TorchModel& other) const {
    bool same = true;
    for (std::size_t i = 0; i < all().size(); ++i)
      same = same && torch::equal(all()[i], other.all()[i]);
    return same;
  }
};

/// The state of a parameter, or of the pair whose lora_A it is, which has to be there.
inline lorapro::torch_adapter::LoraProParamState state_in(
    lorapro::torch_adapter::LoraProOptimizer& optimizer, const torch::Tensor& parameter) {
  auto* const state = lorapro::torch_adapter::detail::find_state(optimizer.state(), parameter);
  REQUIRE(state != nullptr);
  return *state;
}

}  // namespace support

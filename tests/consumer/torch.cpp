// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adapters/torch.hpp>
#include <torch/torch.h>

int main() {
  torch::manual_seed(1);
  lorapro::torch_adapter::LoraLinear layer(16, 24);
  layer->add_adapter({});
  lorapro::torch_adapter::LoraProAdamW optimizer(*layer, 0.01);
  const auto x = torch::randn({64, 16}), target = torch::randn({64, 24});
  float first = 0, loss = 0;
  for (int step = 0; step < 20; ++step) {
    optimizer.zero_grad();
    const auto value = (layer(x) - target).square().mean();
    value.backward();
    optimizer.step();
    if (optimizer.report().updated != 1) return 1;
    loss = value.item<float>();
    if (step == 0) first = loss;
  }
  return loss < 0.95f * first ? 0 : 1;
}

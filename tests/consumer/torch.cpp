// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adapters/torch.hpp>
#include <lorapro/adapters/torch/peft.hpp>
#include <torch/torch.h>

// Trains a layer, writes it as a PEFT adapter into the folder that is named, and reads it back.
int main(int, char** argv) {
  using lorapro::torch_adapter::LoraLinear;
  torch::manual_seed(1);
  LoraLinear layer(16, 24), other(16, 24);
  torch::nn::Sequential model(layer), loaded(other);
  layer->add_adapter({});
  lorapro::torch_adapter::LoraProOptimizer optimizer(*model, 0.01);
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
  if (loss >= 0.95F * first) return 1;

  lorapro::io::write_peft_adapter(argv[1], {}, lorapro::torch_adapter::peft_modules(*model));
  const lorapro::io::PeftAdapter adapter(argv[1]);
  if (!lorapro::torch_adapter::load_peft(*loaded, adapter).complete()) return 1;
  return torch::equal(layer->lora_B, other->lora_B) ? 0 : 1;
}

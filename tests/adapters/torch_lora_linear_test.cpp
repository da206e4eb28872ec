// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

namespace {

using lorapro::LoraConfig;
using lorapro::StateError;
using lorapro::torch_adapter::find_lora_pairs;
using lorapro::torch_adapter::LoraLinear;
using support::config_of;
using support::deviation;
using support::randomize;
using torch::Tensor;

TEST_CASE("a layer without an adapter is a Linear", "[torch_lora_linear]") {
  torch::manual_seed(1);
  torch::nn::Linear plain(torch::nn::LinearOptions(7, 5));
  torch::manual_seed(1);
  LoraLinear layer(7, 5);
  CHECK(torch::equal(plain->weight, layer->weight));
  std::stringstream file;
  torch::save(plain, file);
  LoraLinear loaded(torch::nn::LinearOptions(7, 5));
  torch::load(loaded, file);  // the same names
  const Tensor x = torch::randn({3, 7});
  CHECK(torch::equal(loaded(x), plain(x)));
  CHECK(loaded->weight.requires_grad());
  CHECK(find_lora_pairs(*loaded).empty());
  CHECK(message_of<StateError>([&] { loaded->merge(); }) ==
        "layer: expected one with an adapter, got one without");
}

TEST_CASE("forward and backward are those of W0 x + s B A x", "[torch_lora_linear]") {
  const bool with_bias = GENERATE(true, false);
  const bool rslora = GENERATE(true, false);
  torch::manual_seed(2);
  LoraLinear layer(torch::nn::LinearOptions(7, 5).bias(with_bias));
  layer->to(torch::kDouble);
  LoraConfig config = config_of(3);
  config.use_rslora = rslora;
  const double s = rslora ? 6 / std::sqrt(3.0) : 2.0;
  const Tensor x = torch::randn({4, 2, 7}, torch::kDouble);
  const Tensor before = layer(x).detach();
  layer->add_adapter(config);
  CHECK(torch::equal(before, layer(x)));  // B = 0
  CHECK(layer->scaling() == Approx(s));
  CHECK(layer->lora_A.abs().max().item<double>() > 0.1);
  randomize(layer->lora_B);

  const auto twin = [](const Tensor& tensor) {
    return tensor.detach().clone().set_requires_grad(true);
  };
  const Tensor A = twin(layer->lora_A), B = twin(layer->lora_B);
  const Tensor weight = layer->weight.detach() + B.mm(A) * s;
  Tensor expected = x.matmul(weight.t());
  if (with_bias) expected = expected + layer->bias.detach();
  const Tensor y = layer(x);
  CHECK(deviation(y.detach(), expected.detach()) < 1e-14);
  y.square().sum().backward();
  expected.square().sum().backward();
  CHECK(deviation(layer->lora_A.grad(), A.grad()) < 1e-13);
  CHECK(deviation(layer->lora_B.grad(), B.grad()) < 1e-13);
  CHECK(!layer->weight.grad().defined());
  CHECK(!layer->weight.requires_grad());
  if (with_bias) CHECK(!layer->bias.requires_grad());

  const Tensor original = layer->weight.detach().clone();
  layer->merge();
  CHECK(deviation(layer->weight.detach(), weight.detach()) < 1e-14);
  CHECK(deviation(layer(x).detach(), expected.detach()) < 1e-14);
  CHECK(message_of<StateError>([&] { layer->merge(); }) ==
        "layer: expected an unmerged layer, got a merged one");
  layer->unmerge();
  CHECK(torch::equal(layer->weight, original));
  CHECK(deviation(layer(x).detach(), expected.detach()) < 1e-14);
  CHECK(message_of<StateError>([&] { layer->unmerge(); }) ==
        "layer: expected a merged layer, got an unmerged one");
  CHECK(message_of<StateError>([&] { layer->add_adapter(config); }) ==
        "layer: expected one without an adapter, got one with it");
}

TEST_CASE("dropout acts on the adapter's input in training alone", "[torch_lora_linear]") {
  torch::manual_seed(4);
  LoraLinear layer(50, 6);
  LoraConfig config = config_of(4);
  config.lora_dropout = 0.5;
  layer->add_adapter(config);
  randomize(layer->lora_B);
  const Tensor x = torch::randn({8, 50});
  const Tensor base = torch::nn::functional::linear(x, layer->weight, layer->bias);
  CHECK(deviation((layer(x) - base).detach(), (layer(x) - base).detach()) > 0.1);
  layer->eval();
  const Tensor whole = x.mm(layer->lora_A.t()).mm(layer->lora_B.t()) * layer->scaling();
  CHECK(deviation((layer(x) - base).detach(), whole.detach()) < 1e-5);
}

TEST_CASE("a clone has an adapter of its own, as frozen as the layer", "[torch_lora_linear]") {
  LoraLinear layer(6, 4);
  layer->add_adapter(config_of(2));
  randomize(layer->lora_B);
  const auto copy =
      std::dynamic_pointer_cast<lorapro::torch_adapter::LoraLinearImpl>(layer->clone());
  REQUIRE(copy != nullptr);
  CHECK(torch::equal(copy->lora_B, layer->lora_B));
  CHECK(!copy->weight.requires_grad());
  randomize(copy->lora_B);
  CHECK(!torch::equal(copy->lora_B, layer->lora_B));
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

#include <lorapro/adapters/torch/peft.hpp>

namespace {

using lorapro::ConfigError;
using lorapro::RowMatrix;
using lorapro::ShapeError;
using lorapro::torch_adapter::inject_lora;
using lorapro::torch_adapter::InjectConfig;
using lorapro::torch_adapter::LoraLinear;
using lorapro::torch_adapter::peft_modules;
using lorapro::torch_adapter::PeftOptions;
using support::config_of;
using support::randomize;
using torch::Tensor;

/// lora_A and lora_B as a user writes them by hand: modules of one weight each.
struct HandWrittenImpl : torch::nn::Module {
  HandWrittenImpl(std::int64_t in, std::int64_t rank, std::int64_t out)
      : lora_A(register_module("lora_A",
                               torch::nn::Linear(torch::nn::LinearOptions(in, rank).bias(false)))),
        lora_B(register_module(
            "lora_B", torch::nn::Linear(torch::nn::LinearOptions(rank, out).bias(false)))) {}
  torch::nn::Linear lora_A, lora_B;
};
TORCH_MODULE(HandWritten);

/// The same with parameters, and a scaling that it tells.
struct TellingImpl : torch::nn::Module, lorapro::torch_adapter::ScaledAdapter {
  TellingImpl()
      : lora_A(register_parameter("lora_A", torch::randn({4, 6}))),
        lora_B(register_parameter("lora_B", torch::randn({5, 4}))) {}
  double scaling() const override { return 0.75; }
  Tensor lora_A, lora_B;
};
TORCH_MODULE(Telling);

bool same_bits(const RowMatrix<float>& values, const Tensor& tensor) {
  const Tensor expected = tensor.detach().contiguous();
  return values.rows() == expected.size(0) && values.cols() == expected.size(1) &&
         std::memcmp(values.data(), expected.data_ptr<float>(),
                     static_cast<std::size_t>(values.size()) * sizeof(float)) == 0;
}

TEST_CASE("modules of LoraLinears have their names, ranks, alphas and numbers",
          "[torch_peft_modules]") {
  torch::manual_seed(101);
  torch::nn::Sequential model;
  for (int i = 0; i < 11; ++i) model->push_back(torch::nn::Linear(6, 6));
  InjectConfig config;
  config.lora = config_of(2, 5);
  config.target_modules = {"2", "10"};
  inject_lora(*model, config);
  auto& last = *model[10]->as<LoraLinear>();
  randomize(last.lora_B);
  last.lora_A.set_requires_grad(false);  // frozen pairs are adapters too
  const auto modules = peft_modules(*model);
  REQUIRE(modules.size() == 2);
  CHECK(modules[0].path == "2");
  CHECK(modules[1].path == "10");
  CHECK(modules[1].rank == 2);
  CHECK(modules[1].lora_alpha == 5);
  CHECK(!modules[1].use_rslora);
  CHECK(modules[1].in_features == 6);
  CHECK(modules[1].out_features == 6);
  CHECK(same_bits(modules[1].lora_A(), last.lora_A));
  CHECK(same_bits(modules[1].lora_B(), last.lora_B));
  // Of the numbers as they are when they are asked for.
  randomize(last.lora_B);
  CHECK(same_bits(modules[1].lora_B(), last.lora_B));
}

TEST_CASE("what a module does not tell is told", "[torch_peft_modules]") {
  torch::manual_seed(102);
  torch::nn::ModuleList model(HandWritten(7, 2, 3), Telling());
  CHECK_THAT(message_of<ConfigError>([&] { peft_modules(*model); }),
             contains_text("lora_alpha: expected a finite number other than 0"));
  PeftOptions options;
  options.lora_alpha = 6;
  options.path_of = [](const std::string& path) { return "model.layers." + path + ".q_proj"; };
  auto modules = peft_modules(*model, options);
  REQUIRE(modules.size() == 2);
  CHECK(modules[0].path == "model.layers.0.q_proj");
  CHECK(modules[0].lora_alpha == 6);
  CHECK(modules[0].rank == 2);
  CHECK(modules[0].in_features == 7);
  CHECK(modules[0].out_features == 3);
  CHECK(same_bits(modules[0].lora_B(), model[0]->as<HandWritten>()->lora_B->weight));
  CHECK(modules[1].scaling() == 0.75);  // the module's own
  options.use_rslora = true;
  modules = peft_modules(*model, options);
  CHECK(modules[0].scaling() == Approx(6 / std::sqrt(2.0)));
  CHECK(modules[1].scaling() == Approx(0.75));
  options.path_of = [](const std::string&) { return "q_proj"; };
  CHECK(message_of<ConfigError>([&] { peft_modules(*model, options); }) ==
        "path_of: expected another path for each module, got \"q_proj\" again");
}

TEST_CASE("halves and other shapes are refused by name", "[torch_peft_modules]") {
  HandWritten model(7, 2, 3);
  PeftOptions options;
  options.lora_alpha = 6;
  CHECK_THAT(message_of<ConfigError>([&] { peft_modules(*model, options); }),
             contains_text("path_of: expected a path for the model, which is one adapter itself"));
  torch::nn::ModuleList whole(model);
  model->lora_B->weight.set_data(torch::zeros({3, 4}));
  CHECK_THAT(message_of<ShapeError>([&] { peft_modules(*whole, options); }),
             contains_text("0.lora_B.weight: expected the shapes of two factors, got (3, 4)"));
  model->unregister_module("lora_B");
  CHECK_THAT(message_of<ConfigError>([&] { peft_modules(*whole, options); }),
             contains_text("0.lora_A.weight: expected 0.lora_B.weight beside it, got none"));
}

}  // namespace

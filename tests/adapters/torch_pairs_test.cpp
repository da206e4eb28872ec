// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

namespace {

using lorapro::ConfigError;
using lorapro::torch_adapter::find_lora_pairs;
using lorapro::torch_adapter::LoraLinear;
using lorapro::torch_adapter::LoraPair;
using lorapro::torch_adapter::LoraProOptimizer;
using support::config_of;
using support::leaf;
using torch::Tensor;
using Options = lorapro::torch_adapter::LoraProOptions;

TEST_CASE("names of factors: the last component lora_A counts", "[torch_pairs]") {
  using lorapro::torch_adapter::detail::module_of;
  using lorapro::torch_adapter::detail::partner_of;
  CHECK(partner_of("lora_A") == "lora_B");
  CHECK(partner_of("blocks.0.query.lora_A") == "blocks.0.query.lora_B");
  CHECK(partner_of("q.lora_A.default.weight") == "q.lora_B.default.weight");
  CHECK(partner_of("lora_A.lora_A.weight") == "lora_A.lora_B.weight");
  for (const char* const none :
       {"", "weight", "lora_B", "my_lora_A", "lora_A2", "q.lora_Ab.weight"})
    CHECK(partner_of(none).empty());
  CHECK(module_of("lora_A.weight").empty());
  CHECK(module_of("blocks.0.query.lora_A.default.weight") == "blocks.0.query");
}

TEST_CASE("a pair is called by its name, or by its place and shape", "[torch_pairs]") {
  using lorapro::torch_adapter::detail::text_of;
  const Tensor A = leaf({2, 5}, torch::kFloat), B = leaf({4, 2}, torch::kFloat);
  CHECK(text_of(LoraPair{A, B, 1.0}, 3) == "pair 3, lora_A (2, 5)");
  CHECK(text_of(LoraPair{A, B, 1.0, "blocks.0.query"}, 3) == "pair blocks.0.query");
}

/// A module of a user's own, in PEFT's names: lora_A and lora_B are modules.
struct OwnImpl : torch::nn::Module {
  OwnImpl()
      : base(register_module("base", torch::nn::Linear(6, 4))),
        lora_A(register_module("lora_A",
                               torch::nn::Linear(torch::nn::LinearOptions(6, 2).bias(false)))),
        lora_B(register_module("lora_B",
                               torch::nn::Linear(torch::nn::LinearOptions(2, 4).bias(false)))) {}
  torch::nn::Linear base, lora_A, lora_B;
};
TORCH_MODULE(Own);

TEST_CASE("pairs are found by name in modules of others", "[torch_pairs]") {
  Own own;
  CHECK_THAT(message_of<ConfigError>([&] { find_lora_pairs(*own); }),
             contains_text("scaling: expected alpha / rank in the options for lora_A.weight"));
  const auto pairs = find_lora_pairs(*own, 4.0);
  REQUIRE(pairs.size() == 1);
  CHECK(pairs[0].scaling == 4.0);
  CHECK(pairs[0].name.empty());  // the module is the model itself
  CHECK(pairs[0].lora_A.is_same(own->lora_A->weight));
  CHECK(pairs[0].lora_B.is_same(own->lora_B->weight));
  LoraProOptimizer optimizer(*own, Options(0.01).scaling(4.0));
  CHECK(optimizer.param_groups()[0].params().size() == 4);  // base.weight and base.bias are trained
  (own->lora_A->weight.sum() + own->lora_B->weight.sum() + own->base->weight.sum()).backward();
  optimizer.step();
  CHECK(optimizer.report().updated == 2);
  CHECK(optimizer.report().without_gradient == 1);

  // A factor beside a frozen one has no partner.
  own->lora_B->weight.set_requires_grad(false);
  CHECK(find_lora_pairs(*own).empty());
  own->unregister_module("lora_B");
  CHECK_THAT(message_of<ConfigError>([&] { find_lora_pairs(*own, 4.0); }),
             contains_text("lora_A.weight: expected lora_B.weight beside it, got none"));
}

TEST_CASE("pairs of a model have the paths and scalings of their modules", "[torch_pairs]") {
  torch::nn::ModuleList model(LoraLinear(6, 4), Own());
  model[0]->as<LoraLinear>()->add_adapter(config_of(3, 6));
  const auto pairs = find_lora_pairs(*model, 0.5);
  REQUIRE(pairs.size() == 2);
  CHECK(pairs[0].name == "0");
  CHECK(pairs[0].scaling == 2.0);
  CHECK(pairs[1].name == "1");
  CHECK(pairs[1].scaling == 0.5);
}

TEST_CASE("a module that has two names is one pair", "[torch_pairs]") {
  struct Twice : torch::nn::Module {
    Twice() {
      LoraLinear shared(6, 4);
      shared->add_adapter(config_of(2));
      register_module("first", shared);
      register_module("second", shared);
    }
  };
  const auto pairs = find_lora_pairs(Twice());
  REQUIRE(pairs.size() == 1);
  CHECK(pairs[0].name == "first");
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

namespace {

using lorapro::ConfigError;
using lorapro::LoraConfig;
using lorapro::StateError;
using lorapro::torch_adapter::find_lora_pairs;
using lorapro::torch_adapter::inject_lora;
using lorapro::torch_adapter::InjectConfig;
using lorapro::torch_adapter::LoraLinear;
using lorapro::torch_adapter::LoraProAdamW;
using support::deviation;
using torch::Tensor;
using Options = lorapro::torch_adapter::LoraProAdamWOptions;

LoraConfig config_of(lorapro::Index rank, double alpha = 6) {
  LoraConfig config;
  config.rank = rank;
  config.lora_alpha = alpha;
  config.seed = 3;
  return config;
}

void randomize(const Tensor& tensor) {
  const torch::NoGradGuard no_grad;
  tensor.normal_();
}

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

/// A model as users of libtorch write it.
struct BlockImpl : torch::nn::Module {
  BlockImpl()
      : query(register_module("query", LoraLinear(8, 8))),
        norm(register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({8})))),
        feed(register_module("feed",
                             torch::nn::Sequential(torch::nn::Linear(8, 12), torch::nn::ReLU(),
                                                   torch::nn::Linear(12, 8)))) {}
  Tensor forward(const Tensor& x) { return feed->forward(norm(x + query(x))); }
  LoraLinear query;
  torch::nn::LayerNorm norm;
  torch::nn::Sequential feed;
};
TORCH_MODULE(Block);

struct NetImpl : torch::nn::Module {
  NetImpl()
      : blocks(register_module("blocks", torch::nn::ModuleList(Block(), Block()))),
        head(register_module("head", torch::nn::Linear(8, 3))) {}
  Tensor forward(Tensor x) {
    for (const auto& block : *blocks) x = block->as<Block>()->forward(x);
    return head(x);
  }
  torch::nn::ModuleList blocks;
  torch::nn::Linear head;
};
TORCH_MODULE(Net);

TEST_CASE("inject_lora reaches members, containers and Sequential", "[torch_lora_linear]") {
  torch::manual_seed(6);
  Net net;
  const Tensor x = torch::randn({5, 8});
  const Tensor before = net(x).detach();
  InjectConfig config;
  config.lora = config_of(2);
  config.target_modules = {"query", "feed.0"};
  config.modules_to_save = {"head"};
  const auto paths = inject_lora(*net, config);
  CHECK(paths == std::vector<std::string>{"blocks.0.query", "blocks.0.feed.0", "blocks.1.query",
                                          "blocks.1.feed.0"});
  CHECK(torch::equal(before, net(x)));
  std::vector<std::string> trained;
  for (const auto& item : net->named_parameters())
    if (item.value().requires_grad()) trained.push_back(item.key());
  CHECK(trained == std::vector<std::string>{"blocks.0.query.lora_A", "blocks.0.query.lora_B",
                                            "blocks.0.feed.0.lora_A", "blocks.0.feed.0.lora_B",
                                            "blocks.1.query.lora_A", "blocks.1.query.lora_B",
                                            "blocks.1.feed.0.lora_A", "blocks.1.feed.0.lora_B",
                                            "head.weight", "head.bias"});
  const auto pairs = find_lora_pairs(*net);
  REQUIRE(pairs.size() == 4);
  CHECK(pairs[1].scaling == 3.0);
  CHECK(!torch::equal(pairs[0].lora_A, pairs[2].lora_A));  // seeds of their own

  // Every adapter takes part: B of each moves the output.
  for (const auto& pair : pairs) {
    const Tensor now = net(x).detach();
    randomize(pair.lora_B);
    CHECK(!torch::equal(now, net(x)));
  }
  // And training works: two lines of a user.
  LoraProAdamW optimizer(*net, Options(0.01));
  const Tensor target = torch::randn({5, 3});
  double first = 0, loss = 0;
  for (int step = 0; step < 30; ++step) {
    optimizer.zero_grad();
    const Tensor value = (net(x) - target).square().mean();
    value.backward();
    optimizer.step();
    REQUIRE(optimizer.report().updated == 6);
    loss = value.item<double>();
    if (step == 0) first = loss;
  }
  CHECK(loss < 0.5 * first);

  // A checkpoint of the whole goes into a model that has been prepared alike.
  std::stringstream file;
  torch::save(net, file);
  Net other;
  inject_lora(*other, config);
  torch::load(other, file);
  CHECK(torch::equal(other(x), net(x)));
  CHECK_THAT(message_of<StateError>([&] { inject_lora(*net, config); }),
             contains_text("blocks.0.query: expected a layer without an adapter"));
}

TEST_CASE("inject_lora says what it cannot reach, and changes nothing", "[torch_lora_linear]") {
  Net net;
  InjectConfig config;
  config.target_modules = {"query", "head"};
  CHECK_THAT(message_of<ConfigError>([&] { inject_lora(*net, config); }),
             contains_text("head: expected a LoraLinear, or a Linear in a Sequential"));
  CHECK(find_lora_pairs(*net).empty());
  for (const Tensor& parameter : net->parameters()) CHECK(parameter.requires_grad());
  config.target_modules = {"uery"};  // ends of names do not count, ends of paths do
  CHECK_THAT(message_of<ConfigError>([&] { inject_lora(*net, config); }),
             contains_text("got none that matches"));
  config.target_modules = {"query"};
  config.lora.rank = 0;
  CHECK_THAT(message_of<ConfigError>([&] { inject_lora(*net, config); }), contains_text("rank"));
  config.lora.rank = 2;
  config.matches = [](const std::string& path) { return path == "blocks.1.query"; };
  CHECK(inject_lora(*net, config) == std::vector<std::string>{"blocks.1.query"});
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

TEST_CASE("pairs are found by name in modules of others", "[torch_lora_linear]") {
  Own own;
  CHECK_THAT(message_of<ConfigError>([&] { find_lora_pairs(*own); }),
             contains_text("scaling: expected alpha / rank in the options for lora_A.weight"));
  const auto pairs = find_lora_pairs(*own, 4.0);
  REQUIRE(pairs.size() == 1);
  CHECK(pairs[0].scaling == 4.0);
  CHECK(pairs[0].lora_A.is_same(own->lora_A->weight));
  CHECK(pairs[0].lora_B.is_same(own->lora_B->weight));
  LoraProAdamW optimizer(*own, Options(0.01).scaling(4.0));
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

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

namespace {

using lorapro::ConfigError;
using lorapro::StateError;
using lorapro::torch_adapter::find_lora_pairs;
using lorapro::torch_adapter::inject_lora;
using lorapro::torch_adapter::InjectConfig;
using lorapro::torch_adapter::LoraLinear;
using lorapro::torch_adapter::LoraProOptimizer;
using support::config_of;
using support::randomize;
using torch::Tensor;
using Options = lorapro::torch_adapter::LoraProOptions;

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

TEST_CASE("inject_lora reaches members, containers and Sequential", "[torch_inject]") {
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
  LoraProOptimizer optimizer(*net, Options(0.01));
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

TEST_CASE("inject_lora says what it cannot reach, and changes nothing", "[torch_inject]") {
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

}  // namespace

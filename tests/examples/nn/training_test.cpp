// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/nn/training.hpp"

#include <set>

#include "examples/nn/gpt.hpp"
#include "support/catch.hpp"

namespace {

using examples::nn::Gpt;
using examples::nn::Sequences;
using lorapro::Index;

Gpt<float> small_gpt() {
  Gpt<float> gpt({16, 8, 16, 2, 2});
  examples::RandomEngine engine(1);
  gpt.randomize(engine);
  return gpt;
}

lorapro::LoraConfig config_of(std::size_t number) {
  lorapro::LoraConfig config;
  config.rank = 4;
  config.seed = number;
  return config;
}

/// Losses of `steps` steps on one batch.
template <typename Optimizer>
std::vector<double> train(Gpt<float>& gpt, Optimizer& optimizer, int steps) {
  const Sequences sequences{2, 8, {}};
  const std::vector<int> tokens{1, 2, 3, 4, 5, 6, 7, 8, 9, 7, 5, 3, 1, 2, 4, 6};
  const std::vector<int> labels{2, 3, 4, 5, 6, 7, 8, 9, 7, 5, 3, 1, 2, 4, 6, 0};
  std::vector<double> losses;
  for (int step = 0; step < steps; ++step) {
    losses.push_back(gpt.loss_and_gradients(tokens, sequences, labels));
    CHECK(optimizer.step().skipped_non_finite == 0);
    optimizer.zero_grad();
  }
  return losses;
}

lorapro::OptimizerConfig fast() {
  lorapro::OptimizerConfig config;
  config.group.lr = 1e-2;
  return config;
}

TEST_CASE("full training reduces the loss", "[nn][training]") {
  auto gpt = small_gpt();
  lorapro::Optimizer<float, lorapro::AdamWRule> optimizer(fast());
  CHECK(attach_to(optimizer, gpt) == examples::nn::parameter_count(gpt));
  const auto losses = train(gpt, optimizer, 60);
  CHECK(losses.front() == Approx(std::log(16.0)).epsilon(0.1));
  CHECK(losses.back() < 0.1);
}

TEST_CASE("adapters reduce the loss and leave the base alone", "[nn][training]") {
  auto gpt = small_gpt();
  examples::nn::attach_adapters(gpt, config_of);
  std::vector<float> before, after;
  const auto collect = [&](std::vector<float>& values) {
    examples::nn::for_each_parameter(gpt, [&](const std::string&, auto& parameter) {
      values.insert(values.end(), parameter.value.data(),
                    parameter.value.data() + parameter.value.size());
    });
  };
  collect(before);
  lorapro::LoraProOptimizer<float> optimizer(fast());
  // Rank 4 on qkv (48, 16), out (16, 16), up (64, 16) and down (16, 64) of two blocks.
  CHECK(attach_to(optimizer, gpt) == 2 * 4 * (64 + 32 + 80 + 80));
  const auto losses = train(gpt, optimizer, 60);
  // The frozen head, random and small, bounds what adapters can reach.
  CHECK(losses.back() < 0.95 * losses.front());
  collect(after);
  CHECK(after == before);
}

TEST_CASE("names choose what is adapted and attached", "[nn][training]") {
  auto gpt = small_gpt();
  const auto is_qkv = [](const std::string& name) {
    return name.find(".qkv") != std::string::npos;
  };
  examples::nn::attach_adapters(gpt, config_of, is_qkv);
  std::set<std::string> adapted;
  examples::nn::for_each_linear(gpt, [&](const std::string& name, auto& linear) {
    if (linear.adapter()) adapted.insert(name);
  });
  CHECK(adapted == std::set<std::string>{"blocks.0.attention.qkv", "blocks.1.attention.qkv"});
  lorapro::Optimizer<float, lorapro::AdamWRule> optimizer(fast());
  CHECK(attach_to(optimizer, gpt, {}, [](const std::string& name) {
          return name == "blocks.0.attention.qkv";
        }) == 4 * (16 + 48));
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/support/method_optimizer.hpp"

#include <Eigen/Core>

#include "support/catch.hpp"

namespace {

/// A layer y = B A x after one step of `method` by fixed gradients, from a fixed start.
Eigen::MatrixXf after_one_step(examples::Method method, const lorapro::OptimizerConfig& config) {
  Eigen::MatrixXf base = Eigen::MatrixXf::Zero(5, 4);
  lorapro::LoraConfig layer_config;
  layer_config.rank = 2;
  layer_config.seed = 3;
  lorapro::LoraLayer<float> layer(lorapro::BaseWeight<float>::map(base.data(), 5, 4), layer_config);
  layer.lora_B().setConstant(0.25F);
  layer.grad_A().setConstant(0.5F);
  layer.grad_A()(0, 1) = -1.0F;
  layer.grad_B().setConstant(-0.75F);
  layer.grad_B()(3, 1) = 2.0F;
  const auto optimizer = examples::make_optimizer(method, config);
  optimizer->attach(layer, {}, "layer");
  CHECK(optimizer->step().updated == 1);
  CHECK(optimizer->step_count() == 1);
  optimizer->zero_grad();
  CHECK(layer.grad_B().norm() == 0);
  return layer.lora_B() * layer.lora_A();
}

TEST_CASE("every method has an optimizer, each of its own", "[example_support]") {
  lorapro::OptimizerConfig config;
  config.group.lr = 1e-2;
  std::vector<Eigen::MatrixXf> results;
  for (const auto& method : examples::kMethods) {
    INFO(method.name);
    results.push_back(after_one_step(method.method, config));
    CHECK(results.back().allFinite());
  }
  // Methods of one rule differ in their configuration alone, which is the same here, and the first
  // step of some rules is AdamW's: of signs, or of a warm-up.
  const auto rule_of = [](examples::Method method) {
    switch (method) {
      case examples::Method::rslora_adamw:
      case examples::Method::loraplus_adamw:
      case examples::Method::full_adamw:
      case examples::Method::scaled_adamw:
      case examples::Method::reflora:
      case examples::Method::reflora_s:
        return examples::Method::lora_adamw;
      case examples::Method::full_muon:
        return examples::Method::lora_muon;
      default:
        return method;
    }
  };
  for (std::size_t i = 0; i < results.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const auto first = examples::kMethods[i].method, second = examples::kMethods[j].method;
      INFO(examples::info(first).name << " and " << examples::info(second).name);
      CHECK((results[i] == results[j]) == (rule_of(first) == rule_of(second)));
    }
  }
}

TEST_CASE("buffers of a pair are stepped as the layer that has them", "[example_support]") {
  lorapro::OptimizerConfig config;
  config.group.lr = 1e-2;
  lorapro::LoraConfig layer_config;
  layer_config.rank = 2;
  layer_config.seed = 3;
  Eigen::MatrixXf base = Eigen::MatrixXf::Zero(5, 4);
  lorapro::LoraLayer<float> layer(lorapro::BaseWeight<float>::map(base.data(), 5, 4), layer_config);
  layer.lora_B().setConstant(0.25F);
  layer.grad_A().setConstant(2.0F);
  layer.grad_A()(0, 1) = -4.0F;
  layer.grad_B().setConstant(-3.0F);
  layer.grad_B()(3, 1) = 8.0F;
  const auto optimizer = examples::make_optimizer(examples::Method::lora_pro_spectral, config);
  optimizer->attach(
      lorapro::row_major_view(layer.lora_A().data(), layer.lora_B().data(), layer.grad_A().data(),
                              layer.grad_B().data(), 5, 4, 2, layer.scaling()),
      {}, "layer");
  double loss = 0;
  optimizer->add_observer([&](const lorapro::StepEvent& event) { loss = event.loss.value(); });
  optimizer->set_loss(0.5);
  CHECK(optimizer->step({4, 1}).updated == 1);  // a power of two: the same bits
  CHECK(loss == 0.5);
  CHECK(layer.lora_B() * layer.lora_A() ==
        after_one_step(examples::Method::lora_pro_spectral, config));
}

TEST_CASE("options are checked where an optimizer is made", "[example_support]") {
  lorapro::OptimizerConfig config;
  config.group.lr = -1;
  CHECK_THROWS_AS(examples::make_optimizer(examples::Method::lora_pro_full, config),
                  lorapro::ConfigError);
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/support/classifier_fine_tuning.hpp"

#include "examples/nn/vit.hpp"
#include "support/catch.hpp"

namespace {

using examples::Method;
using Vit = examples::nn::Vit<float>;

const examples::nn::VitConfig kConfig{4, 2, 8, 1, 2, 3};

bool is_in_blocks(const std::string& name) { return name.rfind("blocks.", 0) == 0; }

examples::RunRequest request_for(Method method) {
  examples::RunRequest request;
  request.method = method;
  request.key.options["alpha"] = 6;
  return request;
}

TEST_CASE("adapters are trained where they are chosen, and nothing else", "[example_support]") {
  Vit vit(kConfig);
  examples::RunOptions options;
  options.rank = 2;
  examples::choose_trained(vit, options, request_for(Method::lora_adamw), is_in_blocks);
  int adapters = 0;
  examples::nn::for_each_linear(vit, [&](const std::string& name, auto& linear) {
    CHECK(linear.adapter().has_value() == is_in_blocks(name));
    if (!linear.adapter()) return;
    CHECK(linear.adapter()->rank() == 2);
    CHECK(linear.adapter()->scaling() == 3);
    ++adapters;
  });
  CHECK(adapters == 4);
  examples::nn::for_each_parameter(
      vit, [](const std::string&, const auto& parameter) { CHECK(parameter.frozen()); });
}

TEST_CASE("full fine-tuning trains the chosen weights, and no biases or norms",
          "[example_support]") {
  Vit vit(kConfig);
  examples::choose_trained(vit, {}, request_for(Method::full_adamw), is_in_blocks);
  int trained = 0;
  examples::nn::for_each_parameter(vit, [&](const std::string& name, const auto& parameter) {
    if (parameter.frozen()) return;
    CHECK(is_in_blocks(name));
    CHECK(parameter.value.rows() > 1);
    ++trained;
  });
  CHECK(trained == 4);
}

TEST_CASE("a head is trained at its own rate by every method", "[example_support]") {
  for (const Method method : {Method::full_adamw, Method::lora_sgd}) {
    Vit vit(kConfig);
    const auto optimizer = examples::make_optimizer(method, {});
    CHECK(examples::attach_head(*optimizer, vit.head(), method) == 3 * 8 + 3);
    CHECK(optimizer->groups().at(1).lr ==
          (method == Method::lora_sgd ? examples::kHeadRateSgd : examples::kHeadRateAdamW));
  }
}

}  // namespace

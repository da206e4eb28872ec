// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/llm/trainable_llama.hpp"

#include "support/gradients.hpp"
#include "support/message_of.hpp"
#include "support/tiny_llama.hpp"

namespace {

using examples::llm::TrainableLlama;
using examples::nn::for_each_parameter;
namespace tiny = tiny_llama;
using support::Matrix;

tiny::LlamaConfig trainable_config() {
  tiny::LlamaConfig config = tiny::config();
  config.tied_embeddings = true;
  return config;
}

/// With the numbers of tiny::RandomTensors.
template <typename Scalar>
TrainableLlama<Scalar> trainable_llama(const tiny::LlamaConfig& config) {
  const tiny::RandomTensors tensors(config);
  TrainableLlama<Scalar> model(config);
  for_each_parameter(model, [&](const std::string& name, auto& parameter) {
    std::vector<float> values(static_cast<std::size_t>(parameter.value.size()));
    tensors.read(name, 0, parameter.value.rows(), values.data());
    std::copy(values.begin(), values.end(), parameter.value.data());
  });
  return model;
}

TEST_CASE("a Llama whose weights are trained against finite differences", "[llm][trainable]") {
  const auto config = trainable_config();
  auto model = trainable_llama<double>(config);
  const auto batch = tiny::batch(config, {6, 1, 9});
  model.loss_and_gradients(batch);
  Matrix unused;
  const auto loss = [&] {
    return examples::nn::softmax_cross_entropy(model.forward(batch), batch.labels, unused);
  };
  int parameters = 0;
  for_each_parameter(model, [&](const std::string& name, auto& parameter) {
    ++parameters;
    support::check_gradient(name, parameter.value, Matrix(parameter.grad), loss, 23);
  });
  CHECK(parameters == 1 + 2 * 9 + 1);
}

TEST_CASE("a Llama whose weights are trained computes what a frozen one does", "[llm][trainable]") {
  const auto config = trainable_config();
  auto trained = trainable_llama<double>(config);
  tiny::Llama<double> frozen(std::make_shared<tiny::RandomTensors>(config), tiny::options());
  const auto batch = tiny::batch(config, {6, 1, 9});
  CHECK((trained.forward(batch) - frozen.logits(batch)).cwiseAbs().maxCoeff() < 1e-12);
  const auto sum = frozen.evaluate(batch);
  CHECK(trained.loss_and_gradients(batch) ==
        Approx(sum.loss / static_cast<double>(sum.labels)).epsilon(1e-12));
}

TEST_CASE("a Llama whose weights are trained does not know the number of threads",
          "[llm][trainable]") {
  const auto config = trainable_config();
  const auto batch = tiny::batch(config, {200, 90, 150});  // several blocks of rows
  const auto run = [&](int threads) {
    examples::nn::set_threads(threads);
    auto model = trainable_llama<float>(config);
    model.loss_and_gradients(batch);
    examples::nn::set_threads(1);
    std::vector<float> gradients;
    for_each_parameter(model, [&](const std::string&, auto& parameter) {
      gradients.insert(gradients.end(), parameter.grad.data(),
                       parameter.grad.data() + parameter.grad.size());
    });
    return gradients;
  };
  const auto expected = run(1);
  CHECK(run(2) == expected);
  CHECK(run(3) == expected);
}

TEST_CASE("what a Llama whose weights are trained does not have is refused", "[llm][trainable]") {
  for (const auto change : {+[](tiny::LlamaConfig& config) { config.tied_embeddings = false; },
                            +[](tiny::LlamaConfig& config) { config.qkv_bias = true; },
                            +[](tiny::LlamaConfig& config) { config.qk_norm = true; }}) {
    auto config = trainable_config();
    change(config);
    CHECK_THAT(message_of<lorapro::ConfigError>([&] { TrainableLlama<float> model(config); }),
               contains_text("config: expected tied embeddings, no biases"));
  }
}

}  // namespace

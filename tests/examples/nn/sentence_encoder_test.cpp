// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/nn/sentence_classifier.hpp"

#include "examples/nn/softmax_cross_entropy.hpp"
#include "examples/nn/training.hpp"
#include "support/gradients.hpp"

namespace {

using examples::nn::SentenceClassifier;
using examples::nn::SentenceEncoder;
using examples::nn::SentenceEncoderConfig;
using support::Matrix;

using Sentences = std::vector<std::vector<int>>;

SentenceEncoderConfig tiny() {
  SentenceEncoderConfig config;
  config.vocabulary = 9;
  config.max_tokens = 5;
  config.embedding = 4;
  config.heads = 2;
  config.width = 6;
  config.hidden = 7;
  return config;
}

SentenceEncoder<double> tiny_encoder(std::uint64_t seed) {
  SentenceEncoder<double> encoder(tiny());
  examples::RandomEngine engine(seed);
  encoder.randomize(engine);
  // Norms and biases that are not 1 and 0, so that their gradients show.
  examples::nn::for_each_parameter(encoder, [&](const std::string&, auto& parameter) {
    for (double& value : parameter.value.reshaped()) {
      value += static_cast<double>(examples::uniform(engine, -0.3F, 0.3F));
    }
  });
  // Half of the units on and half off whatever comes in: no difference may cross a kink.
  for (const int number : {0, 1}) {
    auto& bias = encoder.block(number).feed_forward().up().bias().value;
    for (Eigen::Index i = 0; i < bias.size(); ++i) bias(i) = i % 2 == 0 ? 6 : -6;
  }
  return encoder;
}

const Sentences kSentences{{1, 2, 3}, {4}, {8, 0, 2, 2}};

TEST_CASE("a sentence encoder against finite differences", "[nn][sentence]") {
  examples::RandomEngine engine(1);
  SentenceClassifier<double> model(tiny_encoder(1), 3, engine);
  const std::vector<int> labels{2, 0, 1};
  Matrix grad_logits, unused;
  examples::nn::softmax_cross_entropy(model.forward(kSentences), labels, grad_logits);
  model.backward(grad_logits);
  const auto loss = [&] {
    return examples::nn::softmax_cross_entropy(model.forward(kSentences), labels, unused);
  };
  int parameters = 0;
  examples::nn::for_each_parameter(model.encoder(), [&](const std::string& name, auto& parameter) {
    ++parameters;
    support::check_gradient(name, parameter.value, Matrix(parameter.grad), loss, 3);
  });
  CHECK(parameters == 1 + 14 + 12 + 2);
  support::check_parameter_gradients(model.head(), loss);
}

TEST_CASE("adapters of a sentence encoder against finite differences", "[nn][sentence]") {
  examples::RandomEngine engine(2);
  SentenceClassifier<double> model(tiny_encoder(2), 3, engine);
  int adapters = 0;
  examples::nn::attach_adapters(model.encoder(), [&](std::size_t number) {
    ++adapters;
    lorapro::LoraConfig config;
    config.rank = 2;
    config.lora_alpha = 3;
    config.seed = number;
    return config;
  });
  CHECK(adapters == 10);
  examples::nn::for_each_linear(model.encoder(), [&](const std::string&, auto& linear) {
    for (double& value : linear.adapter()->lora_B().reshaped()) {
      value = static_cast<double>(examples::uniform(engine, -0.3F, 0.3F));
    }
  });
  const std::vector<int> labels{1, 1, 0};
  Matrix grad_logits, unused;
  examples::nn::softmax_cross_entropy(model.forward(kSentences), labels, grad_logits);
  model.backward(grad_logits);
  const auto loss = [&] {
    return examples::nn::softmax_cross_entropy(model.forward(kSentences), labels, unused);
  };
  examples::nn::for_each_linear(model.encoder(), [&](const std::string& name, auto& linear) {
    auto& adapter = *linear.adapter();
    const auto check = [&](auto values, const Matrix& gradient) {
      for (Eigen::Index k = 0; k < values.size(); k += 3) {
        INFO(name << " [" << k << "]");
        const double expected = support::difference(values.data()[k], loss);
        CHECK(std::abs(gradient.data()[k] - expected) <=
              1e-8 * std::max(gradient.cwiseAbs().maxCoeff(), 1e-3));
      }
    };
    check(adapter.lora_A(), adapter.grad_A());
    check(adapter.lora_B(), adapter.grad_B());
  });
}

TEST_CASE("an embedding has norm 1 and does not depend on the batch", "[nn][sentence]") {
  auto encoder = tiny_encoder(3);
  const Matrix together = encoder.forward(kSentences);
  for (std::size_t i = 0; i < kSentences.size(); ++i) {
    const auto row = together.row(static_cast<Eigen::Index>(i));
    CHECK(std::abs(row.norm() - 1) <= 1e-14);
    CHECK((encoder.forward({kSentences[i]}) - row).norm() <= 1e-14);
  }
}

TEST_CASE("the order of tokens counts, and tokens beyond the limit do not", "[nn][sentence]") {
  auto encoder = tiny_encoder(4);
  const Matrix five = encoder.forward({{1, 2, 3, 4, 5}});
  CHECK(encoder.forward({{1, 2, 3, 4, 5, 6, 7}}) == five);
  CHECK((encoder.forward({{2, 1, 3, 4, 5}}) - five).norm() > 1e-3);
}

TEST_CASE("a sentence encoder refuses what it cannot read", "[nn][sentence]") {
  auto encoder = tiny_encoder(5);
  CHECK_THROWS_AS(encoder.forward({{1}, {}}), std::invalid_argument);
  CHECK_THROWS_AS(encoder.forward({{9}}), std::out_of_range);
  CHECK_THROWS_AS(encoder.forward({{-1}}), std::out_of_range);
}

}  // namespace

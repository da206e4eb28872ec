// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/nn/gpt.hpp"

#include "examples/nn/training.hpp"

#include "support/gradients.hpp"

namespace {

using examples::nn::Gpt;
using examples::nn::GptConfig;
using examples::nn::Sequences;
using lorapro::Index;
using support::Matrix;

const GptConfig kTiny{11, 6, 8, 2, 2};

template <typename Scalar>
Gpt<Scalar> random_gpt(std::uint64_t seed) {
  Gpt<Scalar> gpt(kTiny);
  examples::RandomEngine engine(seed);
  gpt.randomize(engine);
  gpt.tokens().table().randomize(0.5, engine);
  return gpt;
}

TEST_CASE("a GPT against finite differences", "[nn][gpt]") {
  auto gpt = random_gpt<double>(1);
  const Sequences sequences{2, 5, {}};
  const std::vector<int> tokens{1, 2, 3, 1, 0, 10, 4, 4, 9, 5};
  const std::vector<int> labels{2, 3, 1, 0, examples::nn::kNoLabel, 4, 4, 9, 5, 7};
  gpt.loss_and_gradients(tokens, sequences, labels);
  Matrix unused;
  const auto loss = [&] {
    return examples::nn::softmax_cross_entropy(gpt.forward(tokens, sequences), labels, unused);
  };
  int parameters = 0;
  examples::nn::for_each_parameter(gpt, [&](const std::string& name, auto& parameter) {
    ++parameters;
    support::check_gradient(name, parameter.value, Matrix(parameter.grad), loss, 7);
  });
  CHECK(parameters == 2 + 2 * 12 + 2);
}

TEST_CASE("a GPT does not see what is to come", "[nn][gpt]") {
  auto gpt = random_gpt<double>(2);
  const Sequences sequences{1, 5, {}};
  const Matrix before = gpt.forward({1, 2, 3, 4, 5}, sequences);
  const Matrix after = gpt.forward({1, 2, 3, 9, 5}, sequences);
  CHECK(after.topRows(3) == before.topRows(3));
  CHECK((after.row(3) - before.row(3)).norm() > 1e-3);
  CHECK((after.row(4) - before.row(4)).norm() > 1e-6);
}

TEST_CASE("a GPT does not know the number of threads", "[nn][gpt]") {
  const Sequences sequences{64, 6, {}};  // several blocks of rows
  std::vector<int> tokens;
  for (int i = 0; i < 64 * 6; ++i) tokens.push_back(i * 7 % 11);
  const auto run = [&](int threads) {
    examples::nn::set_threads(threads);
    auto gpt = random_gpt<float>(3);
    gpt.loss_and_gradients(tokens, sequences, tokens);
    examples::nn::set_threads(1);
    std::vector<float> gradients;
    examples::nn::for_each_parameter(gpt, [&](const std::string&, auto& parameter) {
      gradients.insert(gradients.end(), parameter.grad.data(),
                       parameter.grad.data() + parameter.grad.size());
    });
    return gradients;
  };
  const auto expected = run(1);
  CHECK(run(2) == expected);
  CHECK(run(3) == expected);
}

TEST_CASE("adapters of a GPT have the same gradients over embeddings that are frozen",
          "[nn][gpt]") {
  const Sequences sequences{2, 5, {}};
  const std::vector<int> tokens{1, 2, 3, 1, 0, 10, 4, 4, 9, 5};
  // Which parameters are trained beside the adapters decides how far down backward has to go.
  const auto gradients = [&](bool trains_norms, bool trains_embeddings) {
    auto gpt = random_gpt<double>(5);
    lorapro::LoraConfig config;
    config.rank = 2;
    examples::nn::attach_adapters(gpt, [&](std::size_t) { return config; });
    if (trains_embeddings) gpt.tokens().table().unfreeze();
    Matrix all(0, 1);
    const auto append = [&](const auto& gradient) {
      const Index before = all.rows();
      all.conservativeResize(before + gradient.size(), 1);
      for (Index k = 0; k < gradient.size(); ++k) all(before + k) = gradient.data()[k];
    };
    if (trains_norms)
      examples::nn::for_each_parameter(gpt, [&](const std::string& name, auto& parameter) {
        if (name.find("norm1") != std::string::npos) parameter.unfreeze();
      });
    examples::nn::for_each_linear(gpt, [&](const std::string&, auto& linear) {
      linear.adapter()->lora_B().setConstant(0.1);
    });
    gpt.loss_and_gradients(tokens, sequences, tokens);
    examples::nn::for_each_linear(gpt, [&](const std::string&, auto& linear) {
      append(linear.adapter()->grad_A());
      append(linear.adapter()->grad_B());
    });
    if (trains_norms)
      examples::nn::for_each_parameter(gpt, [&](const std::string& name, auto& parameter) {
        if (name.find("norm1") != std::string::npos) append(parameter.grad);
      });
    return all;
  };
  const Matrix alone = gradients(false, false);
  CHECK(alone.norm() > 1e-3);
  CHECK(gradients(false, true) == alone);
  CHECK(gradients(true, false) == gradients(true, true));
}

TEST_CASE("a GPT refuses sequences beyond its context", "[nn][gpt]") {
  auto gpt = random_gpt<double>(4);
  CHECK_THROWS_AS(gpt.forward({1, 2, 3, 4, 5, 6, 7}, {1, 7, {}}), std::invalid_argument);
  CHECK_THROWS_AS(gpt.forward({1, 2, 3}, {1, 4, {}}), std::invalid_argument);
}

TEST_CASE("the small GPT has 0.84 million parameters", "[nn][gpt]") {
  Gpt<float> gpt(GptConfig{});
  CHECK(examples::nn::parameter_count(gpt) == 842496);
}

}  // namespace

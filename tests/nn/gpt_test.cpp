// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/nn/gpt.hpp"

#include "support/gradients.hpp"

namespace {

using examples::nn::Gpt;
using examples::nn::GptConfig;
using examples::nn::Sequences;
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

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/nn/linear.hpp"

#include <lorapro/layer/int8_weight.hpp>
#include <lorapro/layer/nf4_weight.hpp>

#include "support/gradients.hpp"

namespace {

using examples::nn::Linear;
using lorapro::Index;
using support::Matrix;
using support::random_matrix;

constexpr Index kOut = 5, kIn = 7;

lorapro::LoraConfig config() {
  lorapro::LoraConfig config;
  config.rank = 3;
  config.lora_alpha = 4.5;
  config.seed = 7;
  return config;
}

Linear<double> random_linear(support::Random& random, Index out = kOut, Index in = kIn) {
  Linear<double> linear(out, in);
  linear.weight().value = random_matrix(random, out, in);
  linear.bias().value = random_matrix(random, 1, out);
  return linear;
}

TEST_CASE("a linear layer against finite differences", "[nn][linear]") {
  LORAPRO_TEST_RANDOM(random, 1);
  const Index batch = GENERATE(1, 6, 131);  // less than a block of rows, and more
  CAPTURE(batch);
  auto linear = random_linear(random);
  Matrix x = random_matrix(random, batch, kIn);
  const Matrix c = random_matrix(random, batch, kOut);
  Matrix y, grad_x;
  const auto loss = [&] {
    linear.forward(x, y);
    return support::weighted_sum(c, y);
  };
  loss();
  CHECK((y - ((x * linear.weight().value.transpose()).rowwise() + linear.bias().value.row(0)))
            .norm() <= 1e-12);
  linear.backward(x, c, grad_x);
  support::check_parameter_gradients(linear, loss);
  support::check_gradient("x", x, grad_x, loss);
}

TEST_CASE("a linear layer with an adapter trains the adapter alone", "[nn][linear]") {
  LORAPRO_TEST_RANDOM(random, 2);
  const Index batch = GENERATE(6, 131);
  CAPTURE(batch);
  auto linear = random_linear(random);
  linear.attach_adapter(config());
  linear.bias().freeze();
  auto& adapter = *linear.adapter();
  CHECK(adapter.base_weight().data() == linear.weight().value.data());
  adapter.lora_B() = random_matrix(random, kOut, 3);
  Matrix x = random_matrix(random, batch, kIn);
  const Matrix c = random_matrix(random, batch, kOut);
  Matrix y, grad_x;
  const auto loss = [&] {
    linear.forward(x, y);
    return support::weighted_sum(c, y);
  };
  loss();
  linear.backward(x, c, grad_x);
  CHECK(linear.weight().grad.size() == 0);
  CHECK(linear.bias().grad.size() == 0);

  Matrix A = adapter.lora_A(), B = adapter.lora_B();
  const Matrix grad_A = adapter.grad_A(), grad_B = adapter.grad_B();
  const auto moved_loss = [&] {
    adapter.lora_A() = A;
    adapter.lora_B() = B;
    return loss();
  };
  support::check_gradient("A", A, grad_A, moved_loss);
  support::check_gradient("B", B, grad_B, moved_loss);
  moved_loss();
  support::check_gradient("x", x, grad_x, loss);

  // Plain Eigen agrees.
  loss();
  const Matrix& W = linear.weight().value;
  const Matrix whole = W + 1.5 * B * A, G = c.transpose() * x;
  CHECK((y - ((x * whole.transpose()).rowwise() + linear.bias().value.row(0))).norm() <=
        1e-12 * y.norm());
  CHECK((grad_x - c * whole).norm() <= 1e-12 * grad_x.norm());
  CHECK((grad_A - 1.5 * B.transpose() * G).norm() <= 1e-12 * grad_A.norm());
  CHECK((grad_B - 1.5 * G * A.transpose()).norm() <= 1e-12 * grad_B.norm());
}

TEST_CASE("a linear layer without grad_x has the same gradients", "[nn][linear]") {
  LORAPRO_TEST_RANDOM(random, 3);
  const bool with_adapter = GENERATE(false, true);
  CAPTURE(with_adapter);
  auto linear = random_linear(random);
  if (with_adapter) {
    linear.attach_adapter(config());
    linear.adapter()->lora_B() = random_matrix(random, kOut, 3);
  }
  const Matrix x = random_matrix(random, 6, kIn), c = random_matrix(random, 6, kOut);
  Matrix y, grad_x;
  linear.forward(x, y);
  linear.backward(x, c, grad_x);
  const Matrix once = with_adapter ? Matrix(linear.adapter()->grad_B()) : linear.weight().grad;
  linear.backward(x, c);
  const Matrix twice = with_adapter ? Matrix(linear.adapter()->grad_B()) : linear.weight().grad;
  CHECK(once.norm() > 0);
  CHECK((twice - 2 * once).norm() <= 1e-12 * once.norm());
}

TEST_CASE("a linear layer does not know the number of threads", "[nn][linear]") {
  LORAPRO_TEST_RANDOM(random, 4);
  const bool with_adapter = GENERATE(false, true);
  auto linear = random_linear(random, 130, 70);
  if (with_adapter) {
    linear.attach_adapter(config());
    linear.adapter()->lora_B() = random_matrix(random, 130, 3);
  }
  const Matrix x = random_matrix(random, 300, 70), c = random_matrix(random, 300, 130);
  const auto run = [&](int threads) {
    examples::nn::set_threads(threads);
    Matrix y, grad_x;
    linear.weight().grad.setZero();
    if (with_adapter) linear.adapter()->zero_grad();
    linear.forward(x, y);
    linear.backward(x, c, grad_x);
    examples::nn::set_threads(1);
    Matrix all(700, 300);
    all.setZero();
    all.topLeftCorner(300, 130) = y;
    all.block(300, 0, 300, 70) = grad_x;
    if (with_adapter) {
      all.block(600, 0, 3, 70) = linear.adapter()->grad_A();
      all.block(610, 0, 3, 130) = linear.adapter()->grad_B().transpose();
    } else {
      all.block(600, 100, 70, 130) = linear.weight().grad.transpose();
    }
    return all;
  };
  const Matrix expected = run(1);
  CHECK(expected.bottomRows(100).norm() > 0);
  for (const int threads : {2, 3}) CHECK(run(threads) == expected);
}

TEST_CASE("the dropout of a linear layer acts in training alone", "[nn][linear]") {
  LORAPRO_TEST_RANDOM(random, 5);
  auto linear = random_linear(random);
  auto with_dropout = config();
  with_dropout.lora_dropout = 0.5;
  linear.attach_adapter(with_dropout);
  linear.adapter()->lora_B() = random_matrix(random, kOut, 3);
  const Matrix x = random_matrix(random, 6, kIn), c = random_matrix(random, 6, kOut);
  Matrix first, second, grad_x;
  linear.forward(x, first);
  linear.forward(x, second);
  CHECK(first != second);
  // Backward sees the mask of the last forward: y is linear in B, so <grad_B, B> is what of <c, y>
  // comes from the adapter.
  linear.backward(x, c, grad_x);
  const auto& adapter = *linear.adapter();
  const double from_adapter = adapter.grad_B().cwiseProduct(adapter.lora_B()).sum();
  const Matrix base =
      (x * linear.weight().value.transpose()).rowwise() + linear.bias().value.row(0);
  CHECK(from_adapter == Approx(support::weighted_sum(c, second - base)).epsilon(1e-10));

  linear.set_training(false);
  linear.forward(x, first);
  linear.forward(x, second);
  CHECK(first == second);
  const Matrix delta = 1.5 * adapter.lora_B() * adapter.lora_A();
  CHECK((first - base - x * delta.transpose()).norm() <= 1e-12 * first.norm());
}

TEMPLATE_TEST_CASE("a linear layer over a weight in another format", "[nn][linear]",
                   lorapro::bfloat16, lorapro::Int8Weight, lorapro::Nf4Weight) {
  LORAPRO_TEST_RANDOM(random, 6);
  Linear<double, TestType> linear(kOut, kIn);
  linear.weight().value = random_matrix(random, kOut, kIn);
  linear.bias().value = random_matrix(random, 1, kOut);
  const Matrix W = linear.weight().value;
  linear.attach_adapter(config());
  auto& adapter = *linear.adapter();
  adapter.lora_B() = random_matrix(random, kOut, 3);
  CHECK(linear.weight().value.size() == 0);
  CHECK((linear.out_features() == kOut && linear.in_features() == kIn));
  int parameters = 0;
  linear.for_each_parameter("linear", [&](const std::string& name, auto&) {
    CHECK(name == "linear.bias");
    ++parameters;
  });
  CHECK(parameters == 1);

  Matrix stored(kOut, kIn);
  adapter.base_weight().decode(0, kOut, 0, kIn, stored.data(), kIn);
  CHECK((stored - W).norm() <= 0.2 * W.norm());
  Matrix x = random_matrix(random, 6, kIn);
  const Matrix c = random_matrix(random, 6, kOut);
  Matrix y, grad_x;
  const auto loss = [&] {
    linear.forward(x, y);
    return support::weighted_sum(c, y);
  };
  loss();
  const Matrix whole = stored + 1.5 * adapter.lora_B() * adapter.lora_A();
  CHECK((y - ((x * whole.transpose()).rowwise() + linear.bias().value.row(0))).norm() <= 1e-12);
  linear.backward(x, c, grad_x);
  support::check_gradient("x", x, grad_x, loss);
  CHECK((linear.bias().grad - c.colwise().sum()).norm() <= 1e-12);
}

TEST_CASE("a linear layer watches the gradient of its whole weight", "[nn][linear]") {
  LORAPRO_TEST_RANDOM(random, 7);
  auto linear = random_linear(random);
  linear.attach_adapter(config());
  CHECK_FALSE(linear.watches_weight_gradient());
  linear.watch_weight_gradient(true);
  const Matrix x = random_matrix(random, 6, kIn), c = random_matrix(random, 6, kOut);
  Matrix y, grad_x;
  linear.forward(x, y);
  linear.backward(x, c, grad_x);
  CHECK((linear.weight_gradient() - c.transpose() * x).norm() <= 1e-12);
  linear.backward(x, c);
  CHECK((linear.weight_gradient() - 2 * c.transpose() * x).norm() <= 1e-12);
}

TEST_CASE("a linear layer refuses a config that is not valid", "[nn][linear]") {
  Linear<double> linear(kOut, kIn);
  auto wrong = config();
  wrong.lora_dropout = 1;
  CHECK_THROWS_AS(linear.attach_adapter(wrong), lorapro::ConfigError);
  CHECK_FALSE(linear.adapter().has_value());
  CHECK_FALSE(linear.weight().frozen());
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/nn/vit.hpp"

#include "examples/nn/softmax_cross_entropy.hpp"
#include "support/gradients.hpp"

namespace {

using examples::nn::Vit;
using examples::nn::VitConfig;
using support::Matrix;
using support::random_matrix;

TEST_CASE("a vision transformer against finite differences", "[nn][vit]") {
  LORAPRO_TEST_RANDOM(random, 1);
  Vit<double> vit(VitConfig{6, 3, 8, 2, 2, 3});
  examples::RandomEngine engine(1);
  vit.randomize(engine);
  const Matrix images = random_matrix(random, 3, 36);
  const std::vector<int> labels{2, 0, 1};
  Matrix grad_logits, unused;
  examples::nn::softmax_cross_entropy(vit.forward(images), labels, grad_logits);
  vit.backward(grad_logits);
  const auto loss = [&] {
    return examples::nn::softmax_cross_entropy(vit.forward(images), labels, unused);
  };
  int parameters = 0;
  examples::nn::for_each_parameter(vit, [&](const std::string& name, auto& parameter) {
    ++parameters;
    support::check_gradient(name, parameter.value, Matrix(parameter.grad), loss, 7);
  });
  CHECK(parameters == 2 + 1 + 2 * 12 + 2 + 2);
}

TEST_CASE("a backward pass tells of each block when its gradients are complete", "[nn][vit]") {
  Vit<double> vit(VitConfig{4, 2, 8, 3, 2, 3}), watched(vit.config());
  examples::RandomEngine engine(3), same_engine(3);
  vit.randomize(engine);
  watched.randomize(same_engine);
  Matrix grad_logits;
  const Matrix image = Matrix::Ones(1, 16);
  examples::nn::softmax_cross_entropy(vit.forward(image), {1}, grad_logits);
  vit.backward(grad_logits);
  const auto complete = [&](const std::string& prefix) {
    std::vector<Matrix> expected, gradients;
    const auto collect = [&](std::vector<Matrix>& to) {
      return [&to, prefix](const std::string& name, auto& parameter) {
        if (name.rfind(prefix, 0) == 0) to.push_back(parameter.grad);
      };
    };
    examples::nn::for_each_parameter(vit, collect(expected));
    examples::nn::for_each_parameter(watched, collect(gradients));
    return !expected.empty() && gradients == expected;
  };
  watched.forward(image);
  std::vector<lorapro::Index> order;
  watched.backward(grad_logits, [&](lorapro::Index block) {
    order.push_back(block);
    CHECK(complete(block == 3 ? "head" : "blocks." + std::to_string(block) + "."));
  });
  CHECK(order == std::vector<lorapro::Index>{3, 2, 1, 0});
}

TEST_CASE("a vision transformer sees patches as squares", "[nn][vit]") {
  // Without positions the order of the patches does not matter, and what is within them does.
  Vit<double> vit(VitConfig{4, 2, 8, 1, 2, 3});
  examples::RandomEngine engine(2);
  vit.randomize(engine);
  vit.positions().table().value.setZero();
  Matrix image(1, 16), patches_swapped(1, 16), rows_swapped(1, 16);
  image << 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16;
  patches_swapped << 3, 4, 1, 2, 7, 8, 5, 6, 9, 10, 11, 12, 13, 14, 15, 16;
  rows_swapped << 5, 6, 7, 8, 1, 2, 3, 4, 9, 10, 11, 12, 13, 14, 15, 16;
  const Matrix logits = vit.forward(image);
  CHECK((vit.forward(patches_swapped) - logits).norm() <= 1e-12);
  CHECK((vit.forward(rows_swapped) - logits).norm() > 1e-4);
}

TEST_CASE("a vision transformer refuses other images", "[nn][vit]") {
  Vit<double> vit(VitConfig{4, 2, 8, 1, 2, 3});
  CHECK_THROWS_AS(vit.forward(Matrix::Zero(2, 25)), lorapro::ShapeError);
  CHECK_THROWS_AS(Vit<double>(VitConfig{5, 2, 8, 1, 2, 3}), std::invalid_argument);
}

}  // namespace

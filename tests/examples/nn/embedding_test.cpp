// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/nn/embedding.hpp"

#include "support/gradients.hpp"

namespace {

using examples::nn::Embedding;
using examples::nn::PositionEmbedding;
using support::Matrix;
using support::random_matrix;

TEST_CASE("an embedding looks up rows and sums their gradients", "[nn][embedding]") {
  LORAPRO_TEST_RANDOM(random, 1);
  Embedding<double> embedding(4, 3);
  embedding.table().value = random_matrix(random, 4, 3);
  const std::vector<int> ids{2, 0, 2, 3};
  const Matrix c = random_matrix(random, 4, 3);
  Matrix y;
  const auto loss = [&] {
    embedding.forward(ids, y);
    return support::weighted_sum(c, y);
  };
  loss();
  CHECK(y.row(2) == embedding.table().value.row(2));
  embedding.backward(ids, c);
  support::check_parameter_gradients(embedding, loss);
  CHECK(embedding.table().grad.row(1).norm() == 0);
}

TEST_CASE("an embedding refuses ids that it lacks", "[nn][embedding]") {
  const Embedding<double> embedding(4, 3);
  Matrix y;
  CHECK_THROWS_AS(embedding.forward({0, 4}, y), std::out_of_range);
  CHECK_THROWS_AS(embedding.forward({-1}, y), std::out_of_range);
}

TEST_CASE("position embeddings are added to every sequence", "[nn][embedding]") {
  LORAPRO_TEST_RANDOM(random, 2);
  PositionEmbedding<double> positions(5, 3);
  positions.table().value = random_matrix(random, 5, 3);
  const Matrix start = random_matrix(random, 6, 3), c = random_matrix(random, 6, 3);
  Matrix x;
  const auto loss = [&] {
    x = start;
    positions.add_to(x, 3);
    return support::weighted_sum(c, x);
  };
  loss();
  CHECK((x.row(4) - start.row(4) - positions.table().value.row(1)).norm() <= 1e-15);
  positions.backward(c, 3);
  support::check_parameter_gradients(positions, loss);
}

TEST_CASE("frozen tables get no gradient", "[nn][embedding]") {
  Embedding<double> embedding(4, 3);
  embedding.table().freeze();
  embedding.backward({1, 2}, Matrix::Ones(2, 3));
  CHECK(embedding.table().grad.size() == 0);
}

}  // namespace

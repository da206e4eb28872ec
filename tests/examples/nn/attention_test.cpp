// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/nn/attention.hpp"

#include "support/gradients.hpp"

namespace {

using examples::nn::AttentionCore;
using examples::nn::MultiHeadAttention;
using examples::nn::Sequences;
using lorapro::Index;
using support::Matrix;
using support::random_matrix;

constexpr Index kHeads = 2, kHeadWidth = 3, kWidth = kHeads * kHeadWidth;

/// The definition, one number after the other.
Matrix expected_attention(const Matrix& qkv, const Sequences& sequences, bool causal,
                          double scale) {
  Matrix y = Matrix::Zero(qkv.rows(), kWidth);
  for (Index s = 0; s < sequences.count; ++s) {
    const Index start = s * sequences.length;
    const Index used =
        sequences.used.empty() ? sequences.length : sequences.used[static_cast<std::size_t>(s)];
    for (Index h = 0; h < kHeads; ++h) {
      for (Index i = 0; i < sequences.length; ++i) {
        const Index keys = causal ? std::min(i + 1, used) : used;
        double sum = 0;
        Eigen::RowVectorXd mixed = Eigen::RowVectorXd::Zero(kHeadWidth);
        for (Index j = 0; j < keys; ++j) {
          double score = 0;
          for (Index k = 0; k < kHeadWidth; ++k) {
            score +=
                qkv(start + i, h * kHeadWidth + k) * qkv(start + j, kWidth + h * kHeadWidth + k);
          }
          const double weight = std::exp(scale * score);
          sum += weight;
          for (Index k = 0; k < kHeadWidth; ++k) {
            mixed(k) += weight * qkv(start + j, 2 * kWidth + h * kHeadWidth + k);
          }
        }
        y.block(start + i, h * kHeadWidth, 1, kHeadWidth) = mixed / sum;
      }
    }
  }
  return y;
}

TEST_CASE("attention is what its definition says", "[nn][attention]") {
  LORAPRO_TEST_RANDOM(random, 1);
  const bool causal = GENERATE(false, true);
  const bool padded = GENERATE(false, true);
  const Index length = GENERATE(4, 67);  // one block of queries, and two
  CAPTURE(causal, padded, length);
  Sequences sequences{3, length, {}};
  if (padded) sequences.used = {length, 2, 1};
  const Matrix qkv = random_matrix(random, sequences.rows(), 3 * kWidth);
  for (const double scale : {0.0, 0.3}) {
    AttentionCore<double> core(kHeads, kHeadWidth, causal, scale);
    Matrix y;
    core.forward(qkv, sequences, y);
    const Matrix expected =
        expected_attention(qkv, sequences, causal, scale == 0.0 ? 1 / std::sqrt(3.0) : scale);
    CHECK((y - expected).norm() <= 1e-13 * expected.norm());
  }
}

TEST_CASE("attention against finite differences", "[nn][attention]") {
  LORAPRO_TEST_RANDOM(random, 2);
  const bool causal = GENERATE(false, true);
  const bool padded = GENERATE(false, true);
  const Index length = GENERATE(4, 67);
  CAPTURE(causal, padded, length);
  Sequences sequences{2, length, {}};
  if (padded) sequences.used = {length - 1, 3};
  AttentionCore<double> core(kHeads, kHeadWidth, causal);
  Matrix qkv = random_matrix(random, sequences.rows(), 3 * kWidth);
  const Matrix c = random_matrix(random, sequences.rows(), kWidth);
  Matrix y, grad = Matrix::Constant(1, 1, 99);
  const auto loss = [&] {
    core.forward(qkv, sequences, y);
    return support::weighted_sum(c, y);
  };
  loss();
  core.backward(qkv, sequences, c, grad);
  support::check_gradient("qkv", qkv, grad, loss, length == 4 ? 1 : 37);
}

TEST_CASE("multi-head attention against finite differences", "[nn][attention]") {
  LORAPRO_TEST_RANDOM(random, 3);
  const Sequences sequences{2, 3, {3, 2}};
  MultiHeadAttention<double> attention(5, kWidth, 4, kHeads, false);
  for (auto* linear : {&attention.qkv(), &attention.out()}) {
    linear->weight().value =
        random_matrix(random, linear->out_features(), linear->in_features(), 0.5);
    linear->bias().value = random_matrix(random, 1, linear->out_features());
  }
  Matrix x = random_matrix(random, 6, 5);
  const Matrix c = random_matrix(random, 6, 4);
  Matrix y, grad_x;
  const auto loss = [&] {
    attention.forward(x, sequences, y);
    return support::weighted_sum(c, y);
  };
  loss();
  attention.backward(x, sequences, c, grad_x);
  support::check_parameter_gradients(attention.qkv(), loss);
  support::check_parameter_gradients(attention.out(), loss);
  support::check_gradient("x", x, grad_x, loss);

  // Without grad_x the layers get the same once more.
  loss();
  const Matrix grad_qkv = attention.qkv().weight().grad, grad_out = attention.out().weight().grad;
  attention.backward(x, sequences, c);
  CHECK((attention.qkv().weight().grad - 2 * grad_qkv).norm() <= 1e-13 * grad_qkv.norm());
  CHECK((attention.out().weight().grad - 2 * grad_out).norm() <= 1e-13 * grad_out.norm());
}

TEST_CASE("sequences of different lengths do not see each other", "[nn][attention]") {
  LORAPRO_TEST_RANDOM(random, 5);
  const Sequences sequences = Sequences::packed({2, 66, 1, 5});
  REQUIRE(sequences.rows() == 74);
  const Matrix qkv = random_matrix(random, sequences.rows(), 3 * kWidth);
  const Matrix c = random_matrix(random, sequences.rows(), kWidth);
  AttentionCore<double> core(kHeads, kHeadWidth, GENERATE(false, true));
  Matrix y, grad;
  core.forward(qkv, sequences, y);
  core.backward(qkv, sequences, c, grad);
  const auto check_alone = [&](Index first, Index length) {
    Matrix y_alone, grad_alone;
    const Matrix part = qkv.middleRows(first, length);
    core.forward(part, {1, length, {}}, y_alone);
    core.backward(part, {1, length, {}}, c.middleRows(first, length), grad_alone);
    CHECK((y.middleRows(first, length) - y_alone).norm() <= 1e-14 * y_alone.norm());
    CHECK((grad.middleRows(first, length) - grad_alone).norm() <= 1e-14 * c.norm());
  };
  check_alone(0, 2);
  check_alone(2, 66);
  check_alone(68, 1);
  check_alone(69, 5);
}

TEST_CASE("attention does not know the number of threads", "[nn][attention]") {
  LORAPRO_TEST_RANDOM(random, 4);
  const Sequences sequences{5, 70, {}};
  AttentionCore<double> core(kHeads, kHeadWidth, true);
  const Matrix qkv = random_matrix(random, sequences.rows(), 3 * kWidth);
  const Matrix c = random_matrix(random, sequences.rows(), kWidth);
  Matrix y, grad, y_again, grad_again;
  core.forward(qkv, sequences, y);
  core.backward(qkv, sequences, c, grad);
  for (const int threads : {2, 3}) {
    examples::nn::set_threads(threads);
    core.forward(qkv, sequences, y_again);
    core.backward(qkv, sequences, c, grad_again);
    CHECK(y_again == y);
    CHECK(grad_again == grad);
  }
  examples::nn::set_threads(1);
}

TEST_CASE("attention refuses shapes that do not fit", "[nn][attention]") {
  AttentionCore<double> core(kHeads, kHeadWidth, false);
  Matrix y;
  const Matrix qkv = Matrix::Zero(6, 3 * kWidth);
  CHECK_THROWS_AS(core.forward(qkv, {2, 4, {}}, y), lorapro::ShapeError);
  CHECK_THROWS_AS(core.forward(qkv, {2, 3, {3}}, y), std::invalid_argument);
  CHECK_THROWS_AS(core.forward(qkv, {2, 3, {3, 0}}, y), std::invalid_argument);
  CHECK_THROWS_AS(core.forward(qkv, {2, 3, {3, 4}}, y), std::invalid_argument);
  CHECK_THROWS_AS(core.forward(qkv, Sequences::packed({2, 3}), y), lorapro::ShapeError);
  CHECK_THROWS_AS(Sequences::packed({2, 0}), std::invalid_argument);
  CHECK_THROWS_AS(MultiHeadAttention<double>(4, 6, 4, 4, false), std::invalid_argument);
}

}  // namespace

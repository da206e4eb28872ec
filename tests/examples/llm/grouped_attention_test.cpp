// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/llm/grouped_attention.hpp"

#include "support/gradients.hpp"

namespace {

using examples::llm::AttentionSpan;
using examples::llm::GroupedAttention;
using lorapro::Index;
using lorapro::make_view;
using support::Matrix;

constexpr Index kGroupedHeads = 4, kSharedHeads = 2, kDim = 3;

/// The definition, one number after the other.
Matrix attention_by_definition(const Matrix& q, const Matrix& k, const Matrix& v,
                               const std::vector<AttentionSpan>& spans) {
  Matrix y = Matrix::Zero(q.rows(), q.cols());
  for (const AttentionSpan& span : spans)
    for (Index head = 0; head < kGroupedHeads; ++head)
      for (Index i = 0; i < span.queries; ++i) {
        const Index from = head * kDim, shared = head / 2 * kDim, row = span.query_row + i;
        double sum = 0;
        for (Index j = span.key_row; j <= span.key_row + span.past + i; ++j) {
          const double weight =
              std::exp(q.row(row).segment(from, kDim).dot(k.row(j).segment(shared, kDim)));
          sum += weight;
          y.row(row).segment(from, kDim) += weight * v.row(j).segment(shared, kDim);
        }
        y.row(row).segment(from, kDim) /= sum;
      }
  return y;
}

TEST_CASE("grouped attention is what its definition says", "[llm][attention]") {
  LORAPRO_TEST_RANDOM(random, 1);
  const Index past = GENERATE(0, 90);
  // Shorter than a block of queries, longer than a chunk of keys.
  const std::vector<AttentionSpan> spans = {{0, 5, 0, past}, {5, 150, 5 + past, past}};
  const Matrix q = support::random_matrix(random, 155, kGroupedHeads * kDim);
  const Matrix k = support::random_matrix(random, 155 + 2 * past, kSharedHeads * kDim);
  const Matrix v = support::random_matrix(random, 155 + 2 * past, kSharedHeads * kDim);
  GroupedAttention<double> attention(kGroupedHeads, kSharedHeads, kDim);
  Matrix y(155, kGroupedHeads * kDim), sums(155, kGroupedHeads);
  attention.forward(make_view(q), make_view(k), make_view(v), spans, make_view(y), make_view(sums),
                    2);
  CHECK((y - attention_by_definition(q, k, v, spans)).cwiseAbs().maxCoeff() < 1e-12);
  double sum = 0;
  for (Index j = 0; j <= past + 4; ++j)
    sum += std::exp(q.row(4).tail(kDim).dot(k.row(j).tail(kDim)));
  CHECK(sums(4, 3) == Approx(std::log(sum)));
}

TEST_CASE("gradients of grouped attention are those of differences", "[llm][attention]") {
  LORAPRO_TEST_RANDOM(random, 2);
  const std::vector<AttentionSpan> spans = {{0, 5, 0, 0}, {5, 150, 5, 0}};
  Matrix q = support::random_matrix(random, 155, kGroupedHeads * kDim);
  Matrix k = support::random_matrix(random, 155, kSharedHeads * kDim);
  Matrix v = support::random_matrix(random, 155, kSharedHeads * kDim);
  const Matrix weights = support::random_matrix(random, 155, kGroupedHeads * kDim);
  GroupedAttention<double> attention(kGroupedHeads, kSharedHeads, kDim);
  Matrix y(155, q.cols()), sums(155, kGroupedHeads);
  attention.forward(make_view(std::as_const(q)), make_view(std::as_const(k)),
                    make_view(std::as_const(v)), spans, make_view(y), make_view(sums), 1);
  Matrix grad_q(155, q.cols()), grad_k(155, k.cols()), grad_v(155, v.cols());
  attention.backward(make_view(std::as_const(q)), make_view(std::as_const(k)),
                     make_view(std::as_const(v)), make_view(std::as_const(y)),
                     make_view(std::as_const(sums)), make_view(weights), spans, make_view(grad_q),
                     make_view(grad_k), make_view(grad_v), 2);
  const auto loss = [&] {
    return support::weighted_sum(weights, attention_by_definition(q, k, v, spans));
  };
  support::check_gradient("q", q, grad_q, loss, 311);
  support::check_gradient("k", k, grad_k, loss, 211);
  support::check_gradient("v", v, grad_v, loss, 211);
}

}  // namespace

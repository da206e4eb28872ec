// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "grouped_attention.hpp"

#include <lorapro/linalg/product.hpp>
#include <cmath>  // std::exp, std::log

#include "lanes.hpp"

namespace examples::llm {
namespace {

using lorapro::panel_product;

template <typename Scalar>
Scalar largest(const Scalar* row, Index count) {
  Lanes<Scalar> most = Lanes<Scalar>::Constant(row[0]);
  Index k = 0;
  for (; k + kLanes<Scalar> <= count; k += kLanes<Scalar>)
    most = most.max(FullLanes<Scalar>::load(row + k));
  Scalar out = most.maxCoeff();
  for (; k < count; ++k) out = std::max(out, row[k]);
  return out;
}

/// row = exp(row - shift). \return the sum.
template <typename Scalar>
Scalar exponentiate(Scalar* row, Index count, Scalar shift) {
  Lanes<Scalar> sums = Lanes<Scalar>::Zero();
  for_lanes<Scalar>(count, [&](Index k, const auto& lanes) {
    lanes.store(row + k, (lanes.load(row + k) - shift).exp());
    sums += lanes.load(row + k);  // again: lanes beyond the row are 0
  });
  return sums.sum();
}

template <typename Scalar>
void scale(Scalar* row, Index count, Scalar factor) {
  for_lanes<Scalar>(count, [&](Index k, const auto& lanes) {
    lanes.store(row + k, factor * lanes.load(row + k));
  });
}

template <typename Scalar>
Scalar dot(const Scalar* a, const Scalar* b, Index count) {
  Lanes<Scalar> sums = Lanes<Scalar>::Zero();
  for_lanes<Scalar>(
      count, [&](Index k, const auto& lanes) { sums += lanes.load(a + k) * lanes.load(b + k); });
  return sums.sum();
}

}  // namespace

template <typename Scalar>
void GroupedAttention<Scalar>::transpose(const Scalar* rows, Index stride, Index count,
                                         Scalar* out) const {
  for (Index c = 0; c < dim_; ++c)
    for (Index i = 0; i < count; ++i) out[c * kKeys + i] = rows[i * stride + c];
}

template <typename Scalar>
template <typename Body>
void GroupedAttention<Scalar>::for_heads(const std::vector<AttentionSpan>& spans, int threads,
                                         const Body& body) {
  reserve(threads);
  const auto count = static_cast<Index>(spans.size());
  lorapro::parallel_for(threads, count * heads_, [&](Index task, int thread) {
    body(spans[static_cast<std::size_t>(task / heads_)], task % heads_, scratch(thread));
  });
}

template <typename Scalar>
void GroupedAttention<Scalar>::forward(ConstView q, ConstView k, ConstView v,
                                       const std::vector<AttentionSpan>& spans, View y,
                                       View log_sum_exp, int threads) {
  const Index width = q.cols, kv_width = k.cols;
  state_.reserve(q.rows * heads_);
  for_heads(spans, threads, [&](const AttentionSpan& span, Index head, const Scratch& own) {
    const Index kv_column = head / (heads_ / kv_heads_) * dim_;
    const auto maximum = [&](Index query) -> Scalar& {
      return state_[(span.query_row + query) * heads_ + head];
    };
    const auto sum = [&](Index query) -> Scalar& {
      return log_sum_exp(span.query_row + query, head);
    };
    for (Index key = 0; key < span.keys(); key += kKeys) {
      const Index chunk = std::min(kKeys, span.keys() - key);
      const Scalar* const values = &v(span.key_row + key, kv_column);
      transpose(&k(span.key_row + key, kv_column), kv_width, chunk, own.keys);
      // Queries before see nothing of this chunk.
      const Index first = std::max<Index>(0, key - span.past) / kQueries * kQueries;
      for (Index query = first; query < span.queries; query += kQueries) {
        const Index rows = std::min(kQueries, span.queries - query);
        const Index seen = std::min(chunk, span.past + query + rows - key);
        Scalar* const out = &y(span.query_row + query, head * dim_);
        panel_product(&q(span.query_row + query, head * dim_), width, Index{1}, rows, dim_,
                      own.keys, kKeys, seen, own.scores, kKeys, false);
        for (Index i = 0; i < rows; ++i) {
          Scalar* const row = own.scores + i * kKeys;
          const Index count = std::clamp<Index>(span.past + query + i + 1 - key, 0, seen);
          if (count > 0) {
            const Scalar most = largest(row, count);
            if (key == 0) {
              maximum(query + i) = most;
              sum(query + i) = exponentiate(row, count, most);
            } else {
              const Scalar before = maximum(query + i), now = std::max(before, most);
              const Scalar shrink = std::exp(before - now);
              maximum(query + i) = now;
              sum(query + i) = shrink * sum(query + i) + exponentiate(row, count, now);
              scale(out + i * width, dim_, shrink);
            }
          }
          std::fill(row + count, row + seen, Scalar(0));
        }
        panel_product(own.scores, kKeys, Index{1}, rows, seen, values, kv_width, dim_, out, width,
                      key > 0);
      }
    }
    for (Index query = 0; query < span.queries; ++query) {
      scale(&y(span.query_row + query, head * dim_), dim_, 1 / sum(query));
      sum(query) = maximum(query) + std::log(sum(query));
    }
  });
}

template <typename Scalar>
void GroupedAttention<Scalar>::backward(ConstView q, ConstView k, ConstView v, ConstView y,
                                        ConstView log_sum_exp, ConstView grad_y,
                                        const std::vector<AttentionSpan>& spans, View grad_q,
                                        View grad_k, View grad_v, int threads) {
  const Index rows_all = q.rows, width = q.cols, kv_width = k.cols;
  const bool shared = heads_ != kv_heads_;
  state_.reserve(rows_all * heads_);
  if (shared) {
    grad_k_.reserve(rows_all * width);
    grad_v_.reserve(rows_all * width);
  }
  const View to_k = shared ? View{grad_k_.data(), rows_all, width, width, 1} : grad_k;
  const View to_v = shared ? View{grad_v_.data(), rows_all, width, width, 1} : grad_v;
  for_heads(spans, threads, [&](const AttentionSpan& span, Index head, const Scratch& own) {
    const Index column = head * dim_, kv_column = head / (heads_ / kv_heads_) * dim_;
    for (Index query = 0; query < span.queries; ++query) {
      const Index row = span.query_row + query;
      state_[row * heads_ + head] = dot(&grad_y(row, column), &y(row, column), dim_);
    }
    for (Index key = 0; key < span.keys(); key += kKeys) {
      const Index chunk = std::min(kKeys, span.keys() - key), key_row = span.key_row + key;
      transpose(&k(key_row, kv_column), kv_width, chunk, own.keys);
      transpose(&v(key_row, kv_column), kv_width, chunk, own.values);
      for (Index i = 0; i < chunk; ++i)
        for (const View& to : {to_k, to_v}) std::fill_n(&to(key_row + i, column), dim_, Scalar(0));
      for (Index query = key / kQueries * kQueries; query < span.queries; query += kQueries) {
        const Index rows = std::min(kQueries, span.queries - query), at = span.query_row + query;
        const Index seen = std::min(chunk, query + rows - key);
        panel_product(&q(at, column), width, Index{1}, rows, dim_, own.keys, kKeys, seen,
                      own.scores, kKeys, false);
        panel_product(&grad_y(at, column), width, Index{1}, rows, dim_, own.values, kKeys, seen,
                      own.gradients, kKeys, false);
        for (Index i = 0; i < rows; ++i) {
          Scalar* const p = own.scores + i * kKeys;
          Scalar* const grad = own.gradients + i * kKeys;
          const Index count = std::clamp<Index>(query + i + 1 - key, 0, seen);
          const Scalar shift = log_sum_exp(at + i, head), mean = state_[(at + i) * heads_ + head];
          for_lanes<Scalar>(count, [&](Index c, const auto& lanes) {
            const Lanes<Scalar> weight = (lanes.load(p + c) - shift).exp();
            lanes.store(p + c, weight);
            lanes.store(grad + c, weight * (lanes.load(grad + c) - mean));
          });
          std::fill(p + count, p + seen, Scalar(0));
          std::fill(grad + count, grad + seen, Scalar(0));
        }
        panel_product(own.gradients, kKeys, Index{1}, rows, seen, &k(key_row, kv_column), kv_width,
                      dim_, &grad_q(at, column), width, key > 0);
        panel_product(own.gradients, Index{1}, kKeys, seen, rows, &q(at, column), width, dim_,
                      &to_k(key_row, column), width, true);
        panel_product(own.scores, Index{1}, kKeys, seen, rows, &grad_y(at, column), width, dim_,
                      &to_v(key_row, column), width, true);
      }
    }
  });
  if (!shared) return;
  const Index group = heads_ / kv_heads_;
  for_rows(threads, rows_all, [&](Index row) {
    for (Index head = 0; head < kv_heads_; ++head)
      for (const auto& [from, to] : {std::pair{&to_k, &grad_k}, std::pair{&to_v, &grad_v}})
        for_lanes<Scalar>(dim_, [&, from = from, to = to](Index c, const auto& lanes) {
          Lanes<Scalar> total = lanes.load(&(*from)(row, head * group * dim_) + c);
          for (Index other = 1; other < group; ++other)
            total += lanes.load(&(*from)(row, (head * group + other) * dim_) + c);
          lanes.store(&(*to)(row, head * dim_) + c, total);
        });
  });
}

template class GroupedAttention<float>;
template class GroupedAttention<double>;

}  // namespace examples::llm

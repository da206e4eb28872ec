// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/core/view.hpp>
#include <vector>

#include "row_buffer.hpp"

namespace examples::llm {

/// Rows that attend to one another: query i, counted from query_row, sees the keys 0 .. past + i,
/// counted from key_row.
struct AttentionSpan {
  Index query_row = 0;
  Index queries = 0;
  Index key_row = 0;
  Index past = 0;

  Index keys() const { return past + queries; }
};

/// y = softmax(q k^T) v for each span and head; heads / kv_heads heads share the keys and values of
/// one. q has the factor 1 / sqrt(head_dim) in it already.
///
/// Keys are taken in chunks that stay in the caches, with running maxima and sums, so that of the
/// probabilities only their logarithmic sums are kept; backward makes them anew. Heads are what
/// threads share; results do not depend on their number.
template <typename Scalar>
class GroupedAttention {
 public:
  using View = lorapro::MatrixView<Scalar>;
  using ConstView = lorapro::MatrixView<const Scalar>;

  GroupedAttention(Index heads, Index kv_heads, Index head_dim)
      : heads_(heads), kv_heads_(kv_heads), dim_(head_dim) {}

  /// \param q                  (rows, heads head_dim).
  /// \param k, v               (key rows, kv_heads head_dim).
  /// \param[out] y             as q.
  /// \param[out] log_sum_exp   (rows, heads): log of the sum that normalises the softmax.
  void forward(ConstView q, ConstView k, ConstView v, const std::vector<AttentionSpan>& spans,
               View y, View log_sum_exp, int threads);

  /// Gradients of what forward made; spans have no past.
  void backward(ConstView q, ConstView k, ConstView v, ConstView y, ConstView log_sum_exp,
                ConstView grad_y, const std::vector<AttentionSpan>& spans, View grad_q, View grad_k,
                View grad_v, int threads);

 private:
  static constexpr Index kQueries = 64;  // of a block
  static constexpr Index kKeys = 128;    // of a chunk

  /// A thread's scratch.
  struct Scratch {
    Scalar* keys;       // (head_dim, kKeys), transposed
    Scalar* values;     // (head_dim, kKeys), transposed
    Scalar* scores;     // (kQueries, kKeys)
    Scalar* gradients;  // (kQueries, kKeys), of the scores
  };
  Scratch scratch(int thread) {
    const Index tile = dim_ * kKeys, block = kQueries * kKeys;
    Scalar* const own = scratch_.data() + thread * 2 * (tile + block);
    return {own, own + tile, own + 2 * tile, own + 2 * tile + block};
  }
  void reserve(int threads) { scratch_.reserve(threads * 2 * (dim_ + kQueries) * kKeys); }

  void transpose(const Scalar* rows, Index stride, Index count, Scalar* out) const;
  template <typename Body>
  void for_heads(const std::vector<AttentionSpan>& spans, int threads, const Body& body);

  Index heads_, kv_heads_, dim_;
  lorapro::Buffer<Scalar> scratch_;
  lorapro::Buffer<Scalar> state_;            // maxima of the forward pass, or grad_y y of backward
  lorapro::Buffer<Scalar> grad_k_, grad_v_;  // of each head, before those that share are summed
};

extern template class GroupedAttention<float>;
extern template class GroupedAttention<double>;

}  // namespace examples::llm

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include "projection.hpp"

namespace examples::llm {

/// The sum of cross-entropies, in nats, over the rows that have a label.
struct LossSum {
  double loss = 0;
  Index labels = 0;
};

/// What stands above the layers: logits = rms_norm(x) head^T, of the rows that are asked for. Some
/// rows at a time are in memory, as a row of logits has as many numbers as there are tokens.
template <typename Scalar>
class LmHead {
 public:
  LmHead(lorapro::Buffer<Scalar> gain, double eps, Projection<Scalar>& head)
      : gain_(std::move(gain)),
        eps_(eps),
        head_(head),
        normed_(head.in_features()),
        grad_normed_(head.in_features()),
        logits_(head.out_features()) {}

  /// \param labels  of the rows of x; rows with kNoLabel cost nothing.
  LossSum loss(const ConstRows<Scalar>& x, const std::vector<TokenId>& labels, int threads);
  /// \param[out] grad_x  of the sum; 0 in rows without a label.
  LossSum loss_and_gradient(const ConstRows<Scalar>& x, const std::vector<TokenId>& labels,
                            Rows<Scalar> grad_x, int threads);
  /// \param[out] out  (rows, vocab_size).
  void logits(const ConstRows<Scalar>& x, Rows<Scalar> out, int threads);

 private:
  static constexpr Index kRows = 64;

  template <typename Body>
  LossSum for_labelled(const ConstRows<Scalar>& x, const std::vector<TokenId>& labels, int threads,
                       const Body& body);

  lorapro::Buffer<Scalar> gain_;
  double eps_;
  Projection<Scalar>& head_;
  RowBuffer<Scalar> normed_, grad_normed_, logits_;
};

extern template class LmHead<float>;
extern template class LmHead<double>;

}  // namespace examples::llm

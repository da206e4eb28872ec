// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <cmath>  // std::sqrt
#include <utility>
#include <vector>

#include "sentence_encoder.hpp"

namespace examples::nn {

/// The encoder and a linear head on its embeddings.
template <typename Scalar>
class SentenceClassifier {
 public:
  using Matrix = RowMatrix<Scalar>;

  SentenceClassifier(SentenceEncoder<Scalar> encoder, Index classes, RandomEngine& engine)
      : encoder_(std::move(encoder)),
        head_(classes, encoder_.config().width),
        scale_(std::sqrt(static_cast<Scalar>(encoder_.config().width))) {
    head_.randomize(engine);
  }

  SentenceEncoder<Scalar>& encoder() { return encoder_; }
  Linear<Scalar>& head() { return head_; }

  /// Logits, (sentences, classes); valid until the next call.
  const Matrix& forward(const std::vector<std::vector<int>>& sentences) {
    features_ = scale_ * encoder_.forward(sentences);  // from norm 1 to features of about unit size
    head_.forward(features_, logits_);
    return logits_;
  }

  void backward(const Matrix& grad_logits) {
    head_.backward(features_, grad_logits, grad_features_);
    grad_features_ *= scale_;
    encoder_.backward(grad_features_);
  }

 private:
  SentenceEncoder<Scalar> encoder_;
  Linear<Scalar> head_;
  Scalar scale_;
  Matrix features_, logits_, grad_features_;
};

}  // namespace examples::nn

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <cmath>  // std::sqrt
#include <string>

#include "attention.hpp"
#include "feed_forward.hpp"
#include "layer_norm.hpp"

namespace examples::nn {

/// A pre-norm block: h = x + attention(norm1(x)), y = h + feed_forward(norm2(h)).
template <typename Scalar>
class TransformerBlock {
 public:
  using Matrix = RowMatrix<Scalar>;

  /// The feed-forward part is four times as wide.
  TransformerBlock(Index width, Index heads, bool causal)
      : norm1_(width),
        attention_(width, width, width, heads, causal),
        norm2_(width),
        feed_forward_(width, 4 * width, width) {}

  /// \param blocks  how many of them the model has: the more, the less each adds at first.
  void randomize(RandomEngine& engine, Index blocks) {
    const double gain = 1.0 / std::sqrt(2.0 * static_cast<double>(blocks));
    attention_.qkv().randomize(engine);
    attention_.out().randomize(engine, gain);
    feed_forward_.up().randomize(engine);
    feed_forward_.down().randomize(engine, gain);
  }

  void forward(const Matrix& x, const Sequences& sequences, Matrix& y) {
    norm1_.forward(x, normalized1_);
    attention_.forward(normalized1_, sequences, middle_);
    middle_ += x;
    norm2_.forward(middle_, normalized2_);
    feed_forward_.forward(normalized2_, y);
    y += middle_;
  }

  /// Gradients of the last forward, which got the same x.
  void backward(const Matrix& x, const Sequences& sequences, const Matrix& grad_y, Matrix& grad_x) {
    backward_to_middle(grad_y);
    attention_.backward(normalized1_, sequences, grad_middle_, grad_normalized_);
    norm1_.backward(x, grad_normalized_, grad_x);
    grad_x += grad_middle_;
  }

  /// As above without grad_x, where nothing below is trained.
  void backward(const Matrix& x, const Sequences& sequences, const Matrix& grad_y) {
    if (!norm1_.frozen()) {
      backward(x, sequences, grad_y, grad_x_);
      return;
    }
    backward_to_middle(grad_y);
    attention_.backward(normalized1_, sequences, grad_middle_);
  }

  template <typename Visitor>
  void for_each_layer(const std::string& name, const Visitor& visit) {
    visit(name + ".norm1", norm1_);
    attention_.for_each_layer(name + ".attention", visit);
    visit(name + ".norm2", norm2_);
    feed_forward_.for_each_layer(name + ".feed_forward", visit);
  }

 private:
  void backward_to_middle(const Matrix& grad_y) {
    feed_forward_.backward(normalized2_, grad_y, grad_normalized_);
    norm2_.backward(middle_, grad_normalized_, grad_middle_);
    grad_middle_ += grad_y;
  }

  LayerNorm<Scalar> norm1_;
  MultiHeadAttention<Scalar> attention_;
  LayerNorm<Scalar> norm2_;
  FeedForward<Scalar> feed_forward_;
  Matrix normalized1_, middle_, normalized2_, grad_middle_, grad_normalized_, grad_x_;
};

}  // namespace examples::nn

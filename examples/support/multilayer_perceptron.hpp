// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <deque>
#include <utility>
#include <vector>

#include "dense_layer.hpp"

namespace examples {

/// Hidden layers of type Layer (DenseLayer or lorapro::LoraLayer<float>), each followed by a ReLU,
/// then a dense head that returns one logit per class.
template <typename Layer>
class MultilayerPerceptron {
 public:
  explicit MultilayerPerceptron(DenseLayer head) : head_(std::move(head)) {}

  /// Appends a hidden layer built from `arguments`.
  template <typename... Arguments>
  void add_hidden(Arguments&&... arguments) {
    hidden_.emplace_back(std::forward<Arguments>(arguments)...);
    activations_.emplace_back();
  }

  std::deque<Layer>& hidden() { return hidden_; }
  const std::deque<Layer>& hidden() const { return hidden_; }
  DenseLayer& head() { return head_; }

  /// Logits of the batch `x`, one example per row; valid until the next call.
  const RowMatrixf& forward(const RowMatrixf& x) {
    const RowMatrixf* input = &x;
    for (std::size_t i = 0; i < hidden_.size(); ++i) {
      activations_[i].resize(x.rows(), hidden_[i].out_features());
      hidden_[i].forward(*input, activations_[i]);
      activations_[i] = activations_[i].cwiseMax(0.0F);
      input = &activations_[i];
    }
    logits_.resize(x.rows(), head_.out_features());
    head_.forward(*input, logits_);
    return logits_;
  }

  /// Gradients of all layers, from the gradient of the logits that forward(x) has just returned.
  void backward(const RowMatrixf& x, const RowMatrixf& grad_logits) {
    grad_.resize(x.rows(), activations_.back().cols());
    head_.backward(activations_.back(), grad_logits, grad_);
    for (std::size_t i = hidden_.size(); i-- > 0;) {
      grad_ = (activations_[i].array() > 0.0F).select(grad_, 0.0F);
      if (i == 0) {
        hidden_[i].backward(x, grad_);
      } else {
        grad_below_.resize(x.rows(), activations_[i - 1].cols());
        hidden_[i].backward(activations_[i - 1], grad_, grad_below_);
        grad_.swap(grad_below_);
      }
    }
  }

 private:
  std::deque<Layer> hidden_;  // a deque: its elements never move
  DenseLayer head_;
  std::vector<RowMatrixf> activations_;  // after the ReLU
  RowMatrixf logits_, grad_, grad_below_;
};

}  // namespace examples

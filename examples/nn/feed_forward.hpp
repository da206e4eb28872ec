// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <string>

#include "activation.hpp"
#include "linear.hpp"

namespace examples::nn {

/// linear, activation, linear.
template <typename Scalar>
class FeedForward {
 public:
  using Matrix = RowMatrix<Scalar>;

  FeedForward(Index in_features, Index hidden, Index out_features,
              Activation activation = Activation::gelu)
      : up_(hidden, in_features), down_(out_features, hidden), activation_(activation) {}

  Linear<Scalar>& up() { return up_; }
  Linear<Scalar>& down() { return down_; }

  void forward(const Matrix& x, Matrix& y) {
    up_.forward(x, before_);
    activate(activation_, before_, after_);
    down_.forward(after_, y);
  }

  void backward(const Matrix& x, const Matrix& grad_y, Matrix& grad_x) {
    down_.backward(after_, grad_y, grad_);
    activate_backward(activation_, before_, grad_);
    up_.backward(x, grad_, grad_x);
  }

  template <typename Visitor>
  void for_each_layer(const std::string& name, const Visitor& visit) {
    visit(name + ".up", up_);
    visit(name + ".down", down_);
  }

 private:
  Linear<Scalar> up_, down_;
  Activation activation_;
  Matrix before_, after_, grad_;
};

}  // namespace examples::nn

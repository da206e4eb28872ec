// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include "threads.hpp"

namespace examples::nn {

enum class Activation { gelu, relu };

namespace detail {

// GELU(x) = x (1 + tanh u) / 2, u = c (x + 0.044715 x^3): the approximation that GPT-2 uses.
constexpr double kGeluScale = 0.7978845608028654;  // sqrt(2 / pi)
constexpr double kGeluCubic = 0.044715;

template <typename Row>
auto gelu_tanh(const Row& x) {
  using Scalar = typename Row::Scalar;
  return (Scalar(kGeluScale) * (x + Scalar(kGeluCubic) * x.cube())).tanh();
}

}  // namespace detail

/// y = activation(x), elementwise.
template <typename Matrix>
void activate(Activation activation, const Matrix& x, Matrix& y) {
  using Scalar = typename Matrix::Scalar;
  y.resize(x.rows(), x.cols());
  for_blocks(x.rows(), kRowBlock, [&](Index row, Index rows) {
    const auto input = x.middleRows(row, rows).array();
    auto output = y.middleRows(row, rows).array();
    if (activation == Activation::relu) {
      output = input.max(Scalar(0));
    } else {
      output = Scalar(0.5) * input * (Scalar(1) + detail::gelu_tanh(input));
    }
  });
}

/// grad *= activation'(x), elementwise.
template <typename Matrix>
void activate_backward(Activation activation, const Matrix& x, Matrix& grad) {
  using Scalar = typename Matrix::Scalar;
  for_blocks(x.rows(), kRowBlock, [&](Index row, Index rows) {
    for (Index i = row; i < row + rows; ++i) {
      const auto input = x.row(i).array();
      auto dy = grad.row(i).array();
      if (activation == Activation::relu) {
        dy = (input > Scalar(0)).select(dy, Scalar(0));
        continue;
      }
      const Eigen::Array<Scalar, 1, Eigen::Dynamic> t = detail::gelu_tanh(input);
      const auto slope = Scalar(detail::kGeluScale) *
                         (Scalar(1) + Scalar(3 * detail::kGeluCubic) * input.square());
      dy *= Scalar(0.5) * (Scalar(1) + t + input * (Scalar(1) - t.square()) * slope);
    }
  });
}

}  // namespace examples::nn

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include "threads.hpp"

// Products of a batch, one example per row, with a weight (out, in), cut into blocks that run in
// parallel.
namespace examples::nn {

/// y = x W^T
template <typename Matrix>
void multiply_transposed(const Matrix& x, const Matrix& weight, Matrix& y) {
  y.resize(x.rows(), weight.rows());
  for_blocks(x.rows(), kRowBlock, [&](Index row, Index rows) {
    y.middleRows(row, rows).noalias() = x.middleRows(row, rows) * weight.transpose();
  });
}

/// y = x W
template <typename Matrix>
void multiply(const Matrix& x, const Matrix& weight, Matrix& y) {
  y.resize(x.rows(), weight.cols());
  for_blocks(x.rows(), kRowBlock, [&](Index row, Index rows) {
    y.middleRows(row, rows).noalias() = x.middleRows(row, rows) * weight;
  });
}

/// grad += scale grad_y^T x, the gradient of the weight of y = x W^T. Cut along the longer side.
template <typename GradY, typename X, typename Grad>
void add_weight_gradient(typename X::Scalar scale, const GradY& grad_y, const X& x, Grad&& grad) {
  if (grad.rows() >= grad.cols()) {
    for_blocks(grad.rows(), kFeatureBlock, [&](Index first, Index size) {
      grad.middleRows(first, size).noalias() +=
          scale * grad_y.middleCols(first, size).transpose() * x;
    });
  } else {
    for_blocks(grad.cols(), kFeatureBlock, [&](Index first, Index size) {
      grad.middleCols(first, size).noalias() +=
          scale * grad_y.transpose() * x.middleCols(first, size);
    });
  }
}

}  // namespace examples::nn

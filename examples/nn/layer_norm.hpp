// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <cmath>  // std::sqrt
#include <string>

#include "parameters.hpp"

namespace examples::nn {

/// y = gain (x - mean) / sqrt(variance + eps) + bias, with mean and variance of each row.
template <typename Scalar>
class LayerNorm {
 public:
  using Matrix = RowMatrix<Scalar>;

  explicit LayerNorm(Index width, double eps = 1e-5) : gain_(1, width), bias_(1, width), eps_(eps) {
    gain_.value.setOnes();
  }

  Parameter<Scalar>& gain() { return gain_; }
  Parameter<Scalar>& bias() { return bias_; }
  bool frozen() const { return gain_.frozen() && bias_.frozen(); }

  void forward(const Matrix& x, Matrix& y) {
    y.resize(x.rows(), x.cols());
    mean_.resize(x.rows(), 1);
    inverse_deviation_.resize(x.rows(), 1);
    for_blocks(x.rows(), kRowBlock, [&](Index row, Index rows) {
      for (Index i = row; i < row + rows; ++i) {
        const Scalar mean = x.row(i).mean();
        const Scalar variance = (x.row(i).array() - mean).square().mean();
        mean_(i) = mean;
        inverse_deviation_(i) = 1 / std::sqrt(variance + static_cast<Scalar>(eps_));
        y.row(i).array() =
            normalized(x, i) * gain_.value.row(0).array() + bias_.value.row(0).array();
      }
    });
  }

  /// Gradients of the last forward, which got the same x; grad_x is overwritten.
  void backward(const Matrix& x, const Matrix& grad_y, Matrix& grad_x) {
    const Index blocks = (x.rows() + kRowBlock - 1) / kRowBlock;
    grad_x.resize(x.rows(), x.cols());
    gain_sums_.setZero(blocks, x.cols());
    bias_sums_.setZero(blocks, x.cols());
    for_blocks(x.rows(), kRowBlock, [&](Index row, Index rows) {
      auto gain_sum = gain_sums_.row(row / kRowBlock);
      auto bias_sum = bias_sums_.row(row / kRowBlock);
      for (Index i = row; i < row + rows; ++i) {
        const auto z = normalized(x, i);
        const auto dy = grad_y.row(i).array();
        auto dx = grad_x.row(i).array();
        dx = dy * gain_.value.row(0).array();
        const Scalar mean = dx.mean(), along_z = (dx * z).mean();
        dx = (dx - mean - z * along_z) * inverse_deviation_(i);
        if (!gain_.frozen()) gain_sum.array() += dy * z;
        if (!bias_.frozen()) bias_sum.array() += dy;
      }
    });
    if (!gain_.frozen()) gain_.grad += gain_sums_.colwise().sum();
    if (!bias_.frozen()) bias_.grad += bias_sums_.colwise().sum();
  }

  template <typename Visitor>
  void for_each_parameter(const std::string& name, const Visitor& visit) {
    visit(name + ".weight", gain_);
    visit(name + ".bias", bias_);
  }

 private:
  auto normalized(const Matrix& x, Index i) const {
    return (x.row(i).array() - mean_(i)) * inverse_deviation_(i);
  }

  Parameter<Scalar> gain_, bias_;  // (1, width)
  double eps_;
  Matrix mean_, inverse_deviation_;  // of each row of x
  Matrix gain_sums_, bias_sums_;     // of each block of rows
};

}  // namespace examples::nn

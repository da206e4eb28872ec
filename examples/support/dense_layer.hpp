// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <cmath>  // std::sqrt
#include <utility>

#include "labelled_images.hpp"
#include "random.hpp"

namespace examples {

/// A linear layer whose whole weight is trained: y = x W^T + b, one example per row of x. As in
/// lorapro::LoraLayer, gradients accumulate until the optimizer's zero_grad().
class DenseLayer {
 public:
  using ConstBatch = Eigen::Ref<const RowMatrixf>;
  using Batch = Eigen::Ref<RowMatrixf>;

  DenseLayer(RowMatrixf weight, Eigen::RowVectorXf bias)
      : weight_(std::move(weight)), bias_(std::move(bias)) {}

  /// Weight and bias uniform within 1 / sqrt(in_features) of 0.
  static DenseLayer random(Eigen::Index out_features, Eigen::Index in_features,
                           RandomEngine& engine) {
    const float bound = 1.0F / std::sqrt(static_cast<float>(in_features));
    const auto draw = [&] { return uniform(engine, -bound, bound); };
    return {RowMatrixf::NullaryExpr(out_features, in_features, draw),
            Eigen::RowVectorXf::NullaryExpr(out_features, draw)};
  }

  Eigen::Index out_features() const { return weight_.rows(); }

  void forward(const ConstBatch& x, Batch y) const {
    y.noalias() = x * weight_.transpose();
    y.rowwise() += bias_;
  }

  void backward(const ConstBatch& x, const ConstBatch& grad_y) {
    grad_weight_.noalias() += grad_y.transpose() * x;
    grad_bias_ += grad_y.colwise().sum();
  }

  void backward(const ConstBatch& x, const ConstBatch& grad_y, Batch grad_x) {
    backward(x, grad_y);
    grad_x.noalias() = grad_y * weight_;
  }

  RowMatrixf& weight() { return weight_; }
  const RowMatrixf& weight() const { return weight_; }
  Eigen::RowVectorXf& bias() { return bias_; }
  const Eigen::RowVectorXf& bias() const { return bias_; }
  RowMatrixf& grad_weight() { return grad_weight_; }
  Eigen::RowVectorXf& grad_bias() { return grad_bias_; }

 private:
  RowMatrixf weight_;        // (out, in)
  Eigen::RowVectorXf bias_;  // (out)
  RowMatrixf grad_weight_ = RowMatrixf::Zero(weight_.rows(), weight_.cols());
  Eigen::RowVectorXf grad_bias_ = Eigen::RowVectorXf::Zero(bias_.size());
};

}  // namespace examples

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/layer/lora_layer.hpp>
#include <cmath>  // std::sqrt
#include <optional>
#include <string>
#include <utility>

#include "parameters.hpp"
#include "products.hpp"

namespace examples::nn {

/// y = x W^T + b, or with an adapter y = x W^T + b + s (x A^T) B^T. Without an adapter the weight
/// is trained (unless frozen), with one A and B are and the weight is not.
template <typename Scalar>
class Linear {
 public:
  using Matrix = RowMatrix<Scalar>;
  using Adapter = lorapro::LoraLayer<Scalar>;

  Linear(Index out_features, Index in_features, bool with_bias = true)
      : weight_(out_features, in_features), bias_(with_bias ? 1 : 0, out_features) {}

  /// The weight uniform within 1 / sqrt(in_features) of 0, times `gain`; the bias 0.
  void randomize(RandomEngine& engine, double gain = 1.0) {
    weight_.randomize(gain / std::sqrt(3.0 * static_cast<double>(in_features())), engine);
    bias_.value.setZero();
  }

  /// Freezes the weight and puts an adapter on it, which maps it and owns A and B.
  /// \throws lorapro::ConfigError, also for dropout, which this layer does not do.
  void attach_adapter(const lorapro::LoraConfig& config) {
    if (config.lora_dropout != 0.0) {
      throw lorapro::ConfigError("lora_dropout: expected 0 in a Linear, got another number");
    }
    adapter_.emplace(
        lorapro::BaseWeight<Scalar>::map(weight_.value.data(), out_features(), in_features()),
        config);
    weight_.freeze();
  }

  Index out_features() const { return weight_.value.rows(); }
  Index in_features() const { return weight_.value.cols(); }
  std::optional<Adapter>& adapter() { return adapter_; }
  Parameter<Scalar>& weight() { return weight_; }
  /// No rows if the layer has no bias.
  Parameter<Scalar>& bias() { return bias_; }

  void forward(const Matrix& x, Matrix& y) {
    y.resize(x.rows(), out_features());
    if (adapter_) hidden_.resize(x.rows(), adapter_->rank());
    for_blocks(x.rows(), kRowBlock, [&](Index row, Index rows) {
      const auto input = x.middleRows(row, rows);
      auto output = y.middleRows(row, rows);
      output.noalias() = input * weight_.value.transpose();
      if (bias_.value.size() > 0) output.rowwise() += bias_.value.row(0);
      if (!adapter_) return;
      auto hidden = hidden_.middleRows(row, rows);
      hidden.noalias() = input * adapter_->lora_A().transpose();
      output.noalias() += scaling() * hidden * adapter_->lora_B().transpose();
    });
  }

  /// Gradients of the last forward, which got the same x; grad_x is overwritten.
  void backward(const Matrix& x, const Matrix& grad_y, Matrix& grad_x) {
    grad_x.resize(x.rows(), in_features());
    if (adapter_) back_.resize(x.rows(), adapter_->rank());
    for_blocks(x.rows(), kRowBlock, [&](Index row, Index rows) {
      const auto dy = grad_y.middleRows(row, rows);
      auto dx = grad_x.middleRows(row, rows);
      dx.noalias() = dy * weight_.value;
      if (!adapter_) return;
      auto back = back_.middleRows(row, rows);
      back.noalias() = scaling() * dy * adapter_->lora_B();
      dx.noalias() += back * adapter_->lora_A();
    });
    accumulate(x, grad_y);
  }

  /// As above without grad_x (the first layer of a model).
  void backward(const Matrix& x, const Matrix& grad_y) {
    if (adapter_) {
      back_.resize(x.rows(), adapter_->rank());
      for_blocks(x.rows(), kRowBlock, [&](Index row, Index rows) {
        back_.middleRows(row, rows).noalias() =
            scaling() * grad_y.middleRows(row, rows) * adapter_->lora_B();
      });
    }
    accumulate(x, grad_y);
  }

  /// While watched, backward also accumulates the gradient of the weight behind an adapter, which
  /// nothing but a measurement needs; switching sets it to zero.
  void watch_weight_gradient(bool on) {
    watched_ = Matrix::Zero(on ? out_features() : 0, on ? in_features() : 0);
  }
  bool watches_weight_gradient() const { return watched_.size() > 0; }
  /// Of the whole weight: the watched one, or what trains it where there is no adapter.
  const Matrix& weight_gradient() const { return adapter_ ? watched_ : weight_.grad; }

  template <typename Visitor>
  void for_each_parameter(const std::string& name, const Visitor& visit) {
    visit(name + ".weight", weight_);
    if (bias_.value.size() > 0) visit(name + ".bias", bias_);
  }

 private:
  Scalar scaling() const { return static_cast<Scalar>(adapter_->scaling()); }

  void accumulate(const Matrix& x, const Matrix& grad_y) {
    if (adapter_) {
      add_weight_gradient(Scalar(1), back_, x, adapter_->grad_A());
      add_weight_gradient(scaling(), grad_y, hidden_, adapter_->grad_B());
      if (watched_.size() > 0) add_weight_gradient(Scalar(1), grad_y, x, watched_);
    } else if (!weight_.frozen()) {
      add_weight_gradient(Scalar(1), grad_y, x, weight_.grad);
    }
    if (!bias_.frozen()) {
      for_blocks(out_features(), kFeatureBlock, [&](Index first, Index size) {
        bias_.grad.middleCols(first, size) += grad_y.middleCols(first, size).colwise().sum();
      });
    }
  }

  Parameter<Scalar> weight_;  // (out, in)
  Parameter<Scalar> bias_;    // (1, out), or (0, out)
  std::optional<Adapter> adapter_;
  Matrix watched_;  // grad_y^T x, while watched
  Matrix hidden_;   // x A^T
  Matrix back_;     // s grad_y B
};

}  // namespace examples::nn

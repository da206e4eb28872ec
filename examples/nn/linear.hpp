// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/layer/lora_layer.hpp>
#include <cmath>  // std::sqrt
#include <optional>
#include <string>
#include <type_traits>

#include "parameters.hpp"
#include "products.hpp"

namespace examples::nn {

/// y = x W^T + b, or with an adapter the lorapro::LoraLayer over W, y = x W^T + b + s (x A^T) B^T.
/// Without an adapter the weight is trained (unless frozen), with one A and B are and the weight is
/// not; the bias is trained in both unless frozen.
/// \tparam Base  what the weight behind an adapter is stored in, as of LoraLayer.
template <typename Scalar, typename Base = Scalar>
class Linear {
 public:
  using Matrix = RowMatrix<Scalar>;
  using Adapter = lorapro::LoraLayer<Scalar, Base>;

  Linear(Index out_features, Index in_features, bool with_bias = true)
      : weight_(out_features, in_features), bias_(with_bias ? 1 : 0, out_features) {}

  /// The weight uniform within 1 / sqrt(in_features) of 0, times `gain`; the bias 0.
  void randomize(RandomEngine& engine, double gain = 1.0) {
    weight_.randomize(gain / std::sqrt(3.0 * static_cast<double>(in_features())), engine);
    bias_.value.setZero();
  }

  /// Freezes the weight and puts an adapter on it, which owns A and B. The adapter maps the weight;
  /// in another format it has a copy, and weight() is empty from then on.
  /// \throws lorapro::ConfigError
  void attach_adapter(const lorapro::LoraConfig& config) {
    const Scalar* const bias = bias_.value.size() > 0 ? bias_.value.data() : nullptr;
    if constexpr (std::is_same_v<Base, Scalar>) {
      adapter_.emplace(Adapter::Weight::map_writable(weight_.value), config, bias);
      weight_.freeze();
    } else {
      adapter_.emplace(Adapter::Weight::quantize(weight_.value), config, bias);
      weight_ = {};
    }
  }

  Index out_features() const { return adapter_ ? adapter_->out_features() : weight_.value.rows(); }
  Index in_features() const { return adapter_ ? adapter_->in_features() : weight_.value.cols(); }
  std::optional<Adapter>& adapter() { return adapter_; }
  Parameter<Scalar>& weight() { return weight_; }
  /// No rows if the layer has no bias.
  Parameter<Scalar>& bias() { return bias_; }

  /// In training, which a new layer is in, the dropout of the adapter acts.
  void set_training(bool training) {
    if (adapter_) adapter_->set_training(training);
  }

  void forward(const Matrix& x, Matrix& y) {
    if (adapter_) {
      adapter_->set_threads(thread_setting());
      adapter_->forward(x, y);
      return;
    }
    Products<Scalar>::multiply_transposed(x, weight_.value, y);
    if (bias_.value.size() == 0) return;
    for_blocks(x.rows(), kRowBlock, [&](Index row, Index rows) {
      y.middleRows(row, rows).rowwise() += bias_.value.row(0);
    });
  }

  /// Gradients of the last forward, which got the same x; grad_x is overwritten.
  void backward(const Matrix& x, const Matrix& grad_y, Matrix& grad_x) {
    if (adapter_) {
      adapter_->set_threads(thread_setting());
      adapter_->backward(x, grad_y, grad_x);
    } else {
      Products<Scalar>::multiply(grad_y, weight_.value, grad_x);
    }
    accumulate(x, grad_y);
  }

  /// As above without grad_x (the first layer of a model).
  void backward(const Matrix& x, const Matrix& grad_y) {
    if (adapter_) {
      adapter_->set_threads(thread_setting());
      adapter_->backward(x, grad_y);
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
    if (weight_.value.size() > 0) visit(name + ".weight", weight_);
    if (bias_.value.size() > 0) visit(name + ".bias", bias_);
  }

 private:
  /// The gradients that the adapter does not have.
  void accumulate(const Matrix& x, const Matrix& grad_y) {
    Matrix& to_weight = adapter_ ? watched_ : weight_.grad;
    if (to_weight.size() > 0) Products<Scalar>::add_weight_gradient(grad_y, x, to_weight);
    if (bias_.frozen()) return;
    for_blocks(out_features(), kFeatureBlock, [&](Index first, Index size) {
      bias_.grad.middleCols(first, size) += grad_y.middleCols(first, size).colwise().sum();
    });
  }

  Parameter<Scalar> weight_;  // (out, in)
  Parameter<Scalar> bias_;    // (1, out), or (0, out)
  std::optional<Adapter> adapter_;
  Matrix watched_;  // grad_y^T x, while watched
};

}  // namespace examples::nn

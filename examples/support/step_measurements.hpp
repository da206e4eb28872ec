// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/lorapro.hpp>
#include <algorithm>  // std::max
#include <cmath>      // std::sqrt
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../nn/linear.hpp"
#include "../nn/training.hpp"
#include "method.hpp"
#include "run.hpp"
#include "run_options.hpp"

namespace examples {

/// How a step acts on the weights W = W0 + s B A that it changes, all layers taken as one long
/// vector. The full gradient G is formed for this alone.
///
/// gradient_distance    min over c of ||c E - G|| / ||G|| for the equivalent gradient E of the
///                      gradients of A and B, adjusted or plain; 0 for full fine-tuning
/// second_order_share   ||s dB dA|| / ||s (B dA + dB A)|| of the step (dA, dB) that was taken
/// alignment            cosine of the angle between -G and the change of W
class StepMeasurements {
 public:
  using Layer = nn::Linear<float>;
  using Matrix = Layer::Matrix;

  /// \param layers    that are trained: their adapters, or the weights themselves.
  /// \param adjust    how LoRA-Pro adjusts the gradients; nothing for the other methods.
  /// \param lr_ratio  of the rate of B over that of A.
  StepMeasurements(std::vector<Layer*> layers, std::optional<lorapro::AdjustOptions> adjust,
                   double lr_ratio)
      : layers_(std::move(layers)),
        adjust_(adjust),
        lr_ratio_(static_cast<float>(lr_ratio)),
        before_(layers_.size()) {}

  /// To be called before the backward pass of a step that is to be measured.
  void watch() {
    for (Layer* const layer : layers_) {
      if (layer->adapter()) layer->watch_weight_gradient(true);
    }
  }

  /// To be called between the backward pass and the step of the optimizer.
  void before_step();

  /// To be called after it: adds a point to each curve.
  void after_step(std::int64_t step, std::map<std::string, Curve>& curves) const;

 private:
  struct Snapshot {
    Matrix gradient, A, B;  // A: the weight where there is no adapter
  };

  static double squared_norm(const Matrix& matrix) { return matrix.cast<double>().squaredNorm(); }

  /// The cosine of the angle between two vectors that come in pieces.
  class Alignment {
   public:
    void add(const Matrix& x, const Matrix& y) {
      xy_ += x.cast<double>().cwiseProduct(y.cast<double>()).sum();
      xx_ += squared_norm(x);
      yy_ += squared_norm(y);
    }
    double cosine() const { return xx_ > 0 && yy_ > 0 ? xy_ / std::sqrt(xx_ * yy_) : 0.0; }

   private:
    double xy_ = 0, xx_ = 0, yy_ = 0;
  };

  Matrix equivalent_gradient(Layer::Adapter& adapter) const;

  std::vector<Layer*> layers_;
  std::optional<lorapro::AdjustOptions> adjust_;
  float lr_ratio_;
  std::vector<Snapshot> before_;
  double distance_ = 0;
};

/// Of the linear layers of `model` that `method` trains.
template <typename Model>
StepMeasurements step_measurements(Model& model, const RunOptions& options, Method method) {
  std::vector<StepMeasurements::Layer*> layers = nn::trained_linears(model);
  std::optional<lorapro::AdjustOptions> adjust;
  if (is_lora_pro(method)) adjust = options.optimizer_config(method, 0, 1).adjust_options();
  return {std::move(layers), adjust, options.lr_ratio(method)};
}

}  // namespace examples

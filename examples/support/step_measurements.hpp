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
  void before_step() {
    Alignment equivalent;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      Layer& layer = *layers_[i];
      before_[i].gradient = layer.weight_gradient();
      if (layer.adapter()) {
        before_[i].A = layer.adapter()->lora_A();
        before_[i].B = layer.adapter()->lora_B();
        equivalent.add(equivalent_gradient(*layer.adapter()), before_[i].gradient);
        layer.watch_weight_gradient(false);
      } else {
        before_[i].A = layer.weight().value;
      }
    }
    const double cosine = equivalent.cosine();
    distance_ = layers_.front()->adapter() ? std::sqrt(std::max(1 - cosine * cosine, 0.0)) : 0.0;
  }

  /// To be called after it: adds a point to each curve.
  void after_step(std::int64_t step, std::map<std::string, Curve>& curves) const {
    Alignment change;
    double first = 0, second = 0;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      Layer& layer = *layers_[i];
      const Snapshot& before = before_[i];
      if (layer.adapter()) {
        const auto scaling = static_cast<float>(layer.adapter()->scaling());
        const Matrix dA = layer.adapter()->lora_A() - before.A;
        const Matrix dB = layer.adapter()->lora_B() - before.B;
        const Matrix linear = scaling * (before.B * dA + dB * before.A);
        const Matrix quadratic = scaling * dB * dA;
        first += squared_norm(linear);
        second += squared_norm(quadratic);
        change.add(-(linear + quadratic), before.gradient);
      } else {
        change.add(before.A - layer.weight().value, before.gradient);
      }
    }
    curves["gradient_distance"].emplace_back(step, distance_);
    curves["second_order_share"].emplace_back(step, first > 0 ? std::sqrt(second / first) : 0.0);
    curves["alignment"].emplace_back(step, change.cosine());
  }

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

  Matrix equivalent_gradient(Layer::Adapter& adapter) const {
    Matrix dA = adapter.grad_A(), dB = adapter.grad_B();
    if (adjust_) {
      const Matrix grad_A = dA, grad_B = dB;
      static_cast<void>(lorapro::adjust_gradient(adapter.lora_A(), adapter.lora_B(), grad_A, grad_B,
                                                 adapter.scaling(), dA, dB, *adjust_));
    }
    dB *= lr_ratio_;
    return static_cast<float>(adapter.scaling()) * (adapter.lora_B() * dA + dB * adapter.lora_A());
  }

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

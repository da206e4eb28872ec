// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "step_measurements.hpp"

namespace examples {

void StepMeasurements::before_step() {
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

void StepMeasurements::after_step(std::int64_t step, std::map<std::string, Curve>& curves) const {
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

StepMeasurements::Matrix StepMeasurements::equivalent_gradient(Layer::Adapter& adapter) const {
  Matrix dA = adapter.grad_A(), dB = adapter.grad_B();
  if (adjust_) {
    const Matrix grad_A = dA, grad_B = dB;
    static_cast<void>(lorapro::adjust_gradient(
        lorapro::lora_factors(adapter.lora_A(), adapter.lora_B(), adapter.scaling()),
        lorapro::factor_pair(grad_A, grad_B), lorapro::factor_pair(dA, dB), *adjust_));
  }
  dB *= lr_ratio_;
  return static_cast<float>(adapter.scaling()) * (adapter.lora_B() * dA + dB * adapter.lora_A());
}

}  // namespace examples

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/error.hpp>
#include <lorapro/core/numeric.hpp>

#include <cmath>    // std::cos
#include <cstdint>  // std::int64_t

LORAPRO_NAMESPACE_BEGIN

/// Learning-rate schedule: step t (from 1) uses lr * factor(t). Each shape can start with a linear
/// warm-up, whose first step is lr / warmup_steps, so no step has rate zero.
class LrSchedule {
 public:
  enum class Shape { constant, linear, cosine };

  /// 1 after the warm-up.
  static LrSchedule constant(std::int64_t warmup_steps = 0) {
    return LrSchedule(Shape::constant, warmup_steps, warmup_steps);
  }
  /// From 1 at the end of the warm-up linearly towards 0, reached one step after total_steps.
  /// \throws ConfigError unless 0 <= warmup_steps <= total_steps and total_steps >= 1.
  static LrSchedule linear(std::int64_t warmup_steps, std::int64_t total_steps) {
    return LrSchedule(Shape::linear, warmup_steps, total_steps);
  }
  /// Half a cosine from 1 towards 0, with the same ends as linear.
  static LrSchedule cosine(std::int64_t warmup_steps, std::int64_t total_steps) {
    return LrSchedule(Shape::cosine, warmup_steps, total_steps);
  }

  Shape shape() const { return shape_; }
  std::int64_t warmup_steps() const { return warmup_steps_; }
  std::int64_t total_steps() const { return total_steps_; }

  /// Factor in [0, 1] of step `step`, counted from 1; 0 beyond total_steps of linear and cosine.
  double factor(std::int64_t step) const {
    if (step <= warmup_steps_)
      return static_cast<double>(step) / static_cast<double>(warmup_steps_);
    if (shape_ == Shape::constant) return 1.0;
    const auto done = static_cast<double>(step - 1 - warmup_steps_);
    const auto length = static_cast<double>(total_steps_ - warmup_steps_);
    if (done >= length) return 0.0;
    constexpr double kPi = 3.14159265358979323846;
    return shape_ == Shape::linear ? 1.0 - done / length
                                   : 0.5 * (1.0 + std::cos(kPi * done / length));
  }

 private:
  LrSchedule(Shape shape, std::int64_t warmup_steps, std::int64_t total_steps)
      : shape_(shape), warmup_steps_(warmup_steps), total_steps_(total_steps) {
    checks::config(warmup_steps >= 0, "warmup_steps", "a number >= 0", warmup_steps);
    if (shape == Shape::constant) return;
    checks::config(total_steps >= 1 && total_steps >= warmup_steps, "total_steps",
                   "a number >= 1 and >= warmup_steps", total_steps);
  }

  Shape shape_;
  std::int64_t warmup_steps_;
  std::int64_t total_steps_;
};

LORAPRO_NAMESPACE_END

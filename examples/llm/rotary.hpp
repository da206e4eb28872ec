// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/core/buffer.hpp>
#include <cmath>  // std::cos, std::sin
#include <vector>

#include "lanes.hpp"

namespace examples::llm {

/// Rotary positions: u' = u cos a - v sin a, v' = v cos a + u sin a for the elements u at i and v at
/// i + d / 2 of a head, a = position f_i.
template <typename Scalar>
class Rotary {
 public:
  explicit Rotary(std::vector<double> frequencies) : frequencies_(std::move(frequencies)) {}

  /// Makes the table long enough for positions below `length`.
  void reserve(Index length) {
    if (length <= length_) return;
    const Index half = half_width();
    table_ = lorapro::Buffer<Scalar>(length * 2 * half);
    for (Index position = 0; position < length; ++position)
      for (Index i = 0; i < half; ++i) {
        const double angle =
            static_cast<double>(position) * frequencies_[static_cast<std::size_t>(i)];
        Scalar* const row = table_.data() + position * 2 * half;
        row[i] = static_cast<Scalar>(std::cos(angle));
        row[half + i] = static_cast<Scalar>(std::sin(angle));
      }
    length_ = length;
  }

  /// Turns a head in place and multiplies it by `scale`.
  void turn(Scalar* head, Index position, Scalar scale) const {
    rotate(head, position, scale, Scalar(1));
  }
  /// The gradient of turn: turns back, with the same scale.
  void turn_back(Scalar* head, Index position, Scalar scale) const {
    rotate(head, position, scale, Scalar(-1));
  }

 private:
  Index half_width() const { return static_cast<Index>(frequencies_.size()); }

  void rotate(Scalar* head, Index position, Scalar scale, Scalar sign) const {
    const Index half = half_width();
    const Scalar* const cosines = table_.data() + position * 2 * half;
    for_lanes<Scalar>(half, [&](Index k, const auto& lanes) {
      const Lanes<Scalar> u = lanes.load(head + k), v = lanes.load(head + half + k);
      const Lanes<Scalar> c = scale * lanes.load(cosines + k);
      const Lanes<Scalar> s = (sign * scale) * lanes.load(cosines + half + k);
      lanes.store(head + k, u * c - v * s);
      lanes.store(head + half + k, v * c + u * s);
    });
  }

  std::vector<double> frequencies_;
  Index length_ = 0;
  lorapro::Buffer<Scalar> table_;  // a position's cosines, then its sines
};

}  // namespace examples::llm

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Gradients of a layer against finite differences of a loss, in double.

#include <Eigen/Core>
#include <algorithm>  // std::max
#include <cmath>      // std::abs
#include <string>

#include "examples/nn/parameters.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

namespace support {

using Matrix = lorapro::RowMatrix<double>;

/// d loss / d value by five points; the step balances its error, O(step^4), and rounding.
template <typename Loss>
double difference(double& value, const Loss& loss) {
  constexpr double kStep = 1e-3;
  const double start = value;
  const auto at = [&](double steps) {
    value = start + steps * kStep;
    return static_cast<double>(loss());
  };
  const double slope = (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * kStep);
  value = start;
  return slope;
}

/// Compares every stride-th element of `gradient` with the difference of loss() in `values`.
template <typename Loss>
void check_gradient(const std::string& name, Matrix& values, const Matrix& gradient,
                    const Loss& loss, Eigen::Index stride = 1) {
  REQUIRE((gradient.rows() == values.rows() && gradient.cols() == values.cols()));
  const double scale = std::max(gradient.cwiseAbs().maxCoeff(), 1e-3);
  for (Eigen::Index k = 0; k < values.size(); k += stride) {
    INFO(name << " [" << k << "]");
    const double expected = difference(values.data()[k], loss);
    CHECK(std::abs(gradient.data()[k] - expected) <= 1e-8 * scale + 1e-10);
  }
}

/// Checks the gradients of all parameters of `layer`, which a backward pass has just filled.
template <typename Layer, typename Loss>
void check_parameter_gradients(Layer& layer, const Loss& loss, Eigen::Index stride = 1) {
  layer.for_each_parameter("layer", [&](const std::string& name, auto& parameter) {
    const Matrix gradient = parameter.grad;  // loss may be a forward pass only, but may be more
    check_gradient(name, parameter.value, gradient, loss, stride);
  });
}

inline Matrix random_matrix(Random& random, Eigen::Index rows, Eigen::Index cols,
                            double deviation = 1) {
  return reference::rounded<double>(random.matrix(rows, cols, deviation));
}

/// The loss <weights, y>, whose gradient in y is `weights`.
inline double weighted_sum(const Matrix& weights, const Matrix& y) {
  return weights.cwiseProduct(y).sum();
}

}  // namespace support

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>  // std::pow

#include "support/pair_data.hpp"

namespace bench::naive {

using Matrix = lorapro::RowMatrix<float>;

/// Adam's moments and direction, one array expression per formula.
class Adam {
 public:
  Adam(Index rows, Index cols)
      : exp_avg_(Matrix::Zero(rows, cols)), exp_avg_sq_(Matrix::Zero(rows, cols)) {}

  Matrix direction(const Matrix& gradient) {
    constexpr float kBeta1 = 0.9F, kBeta2 = 0.999F, kEps = 1e-8F;
    ++step_;
    const auto correction1 = 1 - static_cast<float>(std::pow(0.9, step_));
    const auto correction2 = 1 - static_cast<float>(std::pow(0.999, step_));
    exp_avg_ = kBeta1 * exp_avg_ + (1 - kBeta1) * gradient;
    exp_avg_sq_ = kBeta2 * exp_avg_sq_ + (1 - kBeta2) * gradient.cwiseAbs2();
    return (exp_avg_ / correction1).array() / ((exp_avg_sq_ / correction2).array().sqrt() + kEps);
  }

 private:
  Matrix exp_avg_, exp_avg_sq_;
  int step_ = 0;
};

}  // namespace bench::naive

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <Eigen/Core>  // Matrix
#include <cmath>       // std::pow

/// What a user writes in plain Eigen after reading the papers: one expression per formula, every
/// intermediate a matrix. The benchmarks compare the library's kernels and steps with these, and
/// the tests check that both compute the same.
namespace naive {

using Eigen::Index;
template <typename Scalar>
using Matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

struct AdamOptions {
  double lr = 1e-3;
  double weight_decay = 0;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
};

/// Adam's moments and direction.
template <typename Scalar>
class Adam {
 public:
  Adam(Index rows, Index cols, const AdamOptions& options = {})
      : options_(options),
        exp_avg_(Matrix<Scalar>::Zero(rows, cols)),
        exp_avg_sq_(Matrix<Scalar>::Zero(rows, cols)) {}

  Matrix<Scalar> direction(const Matrix<Scalar>& gradient) {
    const auto beta1 = static_cast<Scalar>(options_.beta1);
    const auto beta2 = static_cast<Scalar>(options_.beta2);
    const auto eps = static_cast<Scalar>(options_.eps);
    ++step_;
    const auto correction1 = static_cast<Scalar>(1 - std::pow(options_.beta1, step_));
    const auto correction2 = static_cast<Scalar>(1 - std::pow(options_.beta2, step_));
    exp_avg_ = beta1 * exp_avg_ + (1 - beta1) * gradient;
    exp_avg_sq_ = beta2 * exp_avg_sq_ + (1 - beta2) * gradient.cwiseAbs2();
    return (exp_avg_ / correction1).array() / ((exp_avg_sq_ / correction2).array().sqrt() + eps);
  }

 private:
  AdamOptions options_;
  Matrix<Scalar> exp_avg_, exp_avg_sq_;
  int step_ = 0;
};

/// value = (1 - lr weight_decay) value - lr step.
template <typename Scalar>
void descend(const AdamOptions& options, const Matrix<Scalar>& step, Matrix<Scalar>& value) {
  const auto keep = static_cast<Scalar>(1 - options.lr * options.weight_decay);
  value = keep * value - static_cast<Scalar>(options.lr) * step;
}

}  // namespace naive

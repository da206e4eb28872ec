// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include "bench/naive/adam.hpp"

/// The adjusted gradient, undamped and in the Sylvester gauge.
namespace naive {

template <typename Scalar>
struct Steps {
  Matrix<Scalar> A;
  Matrix<Scalar> B;
};

/// dA = (1/s^2) P^-1 gA + X A and dB = (1/s^2) (I - P_B) gB Q^-1 - B X (arXiv:2407.18242v3,
/// Theorems 2.1 and 2.3). The projector is an (m, m) matrix, as in the formula. For float and
/// double: compiled once, since Eigen's expressions in it take long.
template <typename Scalar>
Steps<Scalar> adjust(const Matrix<Scalar>& A, const Matrix<Scalar>& B, const Matrix<Scalar>& grad_A,
                     const Matrix<Scalar>& grad_B, double scaling);

/// s (B dA + dB A) as an (m, n) matrix.
template <typename Scalar>
Matrix<Scalar> equivalent_gradient(const Matrix<Scalar>& A, const Matrix<Scalar>& B,
                                   const Steps<Scalar>& steps, double scaling) {
  return static_cast<Scalar>(scaling) * (B * steps.A + steps.B * A);
}

}  // namespace naive

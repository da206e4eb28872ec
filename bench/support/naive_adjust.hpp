// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <Eigen/Eigenvalues>  // SelfAdjointEigenSolver
#include <Eigen/LU>           // inverse

#include "support/pair_data.hpp"

/// What a user writes in plain Eigen after reading the paper: every intermediate is a matrix. These
/// are the baselines of the library's kernels and steps, undamped and in the Sylvester gauge.
namespace bench::naive {

using Matrix = lorapro::RowMatrix<float>;
using WideMatrix = lorapro::RowMatrix<double>;

/// P X + X Q = C for symmetric P and Q.
inline WideMatrix solve_sylvester(const WideMatrix& P, const WideMatrix& Q, const WideMatrix& C) {
  const Eigen::SelfAdjointEigenSolver<WideMatrix> p(P), q(Q);
  WideMatrix Y = p.eigenvectors().transpose() * C * q.eigenvectors();
  for (Index i = 0; i < Y.rows(); ++i)
    for (Index j = 0; j < Y.cols(); ++j) Y(i, j) /= p.eigenvalues()(i) + q.eigenvalues()(j);
  return p.eigenvectors() * Y * q.eigenvectors().transpose();
}

struct Steps {
  Matrix A;
  Matrix B;
};

/// dA = (1/s^2) P^-1 gA + X A and dB = (1/s^2) (I - P_B) gB Q^-1 - B X (Theorems 2.1 and 2.3). The
/// projector is an (m, m) matrix, as in the formula.
inline Steps adjust(const Matrix& A, const Matrix& B, const Matrix& grad_A, const Matrix& grad_B,
                    double scaling) {
  const auto factor = static_cast<float>(1 / (scaling * scaling));
  const Matrix P = B.transpose() * B;
  const Matrix Q = A * A.transpose();
  const Matrix P_inverse = P.inverse();
  const Matrix Q_inverse = Q.inverse();
  const Matrix C = -factor * P_inverse * grad_A * A.transpose();
  const Matrix X =
      solve_sylvester(P.cast<double>(), Q.cast<double>(), C.cast<double>()).cast<float>();
  const Matrix projector =
      Matrix::Identity(B.rows(), B.rows()) - Matrix(B * P_inverse * B.transpose());
  return {factor * P_inverse * grad_A + X * A, factor * projector * grad_B * Q_inverse - B * X};
}

/// s (B dA + dB A) as an (m, n) matrix.
inline Matrix equivalent_gradient(const Matrix& A, const Matrix& B, const Steps& steps,
                                  double scaling) {
  return static_cast<float>(scaling) * (B * steps.A + steps.B * A);
}

}  // namespace bench::naive

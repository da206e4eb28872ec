// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "bench/naive/adjust.hpp"

#include <Eigen/Eigenvalues>  // SelfAdjointEigenSolver
#include <Eigen/LU>           // inverse

namespace naive {

namespace {

/// P X + X Q = C for symmetric P and Q.
Matrix<double> solve_sylvester(const Matrix<double>& P, const Matrix<double>& Q,
                               const Matrix<double>& C) {
  const Eigen::SelfAdjointEigenSolver<Matrix<double>> p(P), q(Q);
  Matrix<double> Y = p.eigenvectors().transpose() * C * q.eigenvectors();
  for (Index i = 0; i < Y.rows(); ++i)
    for (Index j = 0; j < Y.cols(); ++j) Y(i, j) /= p.eigenvalues()(i) + q.eigenvalues()(j);
  return p.eigenvectors() * Y * q.eigenvectors().transpose();
}

}  // namespace

template <typename Scalar>
Steps<Scalar> adjust(const Matrix<Scalar>& A, const Matrix<Scalar>& B, const Matrix<Scalar>& grad_A,
                     const Matrix<Scalar>& grad_B, double scaling) {
  const auto factor = static_cast<Scalar>(1 / (scaling * scaling));
  const Matrix<Scalar> P = B.transpose() * B;
  const Matrix<Scalar> Q = A * A.transpose();
  const Matrix<Scalar> P_inverse = P.inverse();
  const Matrix<Scalar> Q_inverse = Q.inverse();
  const Matrix<Scalar> C = -factor * P_inverse * grad_A * A.transpose();
  const Matrix<Scalar> X = solve_sylvester(P.template cast<double>(), Q.template cast<double>(),
                                           C.template cast<double>())
                               .template cast<Scalar>();
  const Matrix<Scalar> projector =
      Matrix<Scalar>::Identity(B.rows(), B.rows()) - Matrix<Scalar>(B * P_inverse * B.transpose());
  return {factor * P_inverse * grad_A + X * A, factor * projector * grad_B * Q_inverse - B * X};
}

template Steps<float> adjust(const Matrix<float>&, const Matrix<float>&, const Matrix<float>&,
                             const Matrix<float>&, double);
template Steps<double> adjust(const Matrix<double>&, const Matrix<double>&, const Matrix<double>&,
                              const Matrix<double>&, double);

}  // namespace naive

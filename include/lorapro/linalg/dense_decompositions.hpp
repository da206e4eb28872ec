// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/linalg/leading_svd.hpp>

#include <Eigen/QR>   // HouseholderQR
#include <Eigen/SVD>  // BDCSVD
#include <algorithm>  // std::min

LORAPRO_NAMESPACE_BEGIN

/// \file
/// What leading_svd.hpp declares.

template <typename Real>
LeadingSvd leading_svd(const Eigen::MatrixXd& matrix, Index count) {
  using Matrix = Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic>;
#if EIGEN_VERSION_AT_LEAST(3, 4, 90)
  const Eigen::BDCSVD<Matrix, Eigen::ComputeThinU | Eigen::ComputeThinV> svd(matrix);
#else
  const Eigen::BDCSVD<Matrix> svd(matrix, Eigen::ComputeThinU | Eigen::ComputeThinV);
#endif
  LeadingSvd out{svd.matrixU().leftCols(count), svd.singularValues().head(count),
                 svd.matrixV().leftCols(count)};
  orient_columns(out.left, out.right);
  return out;
}

template <typename Real>
Eigen::MatrixXd orthonormal_columns(const Eigen::MatrixXd& matrix) {
  const Eigen::HouseholderQR<Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic>> qr(matrix);
  return qr.householderQ() * Eigen::MatrixXd::Identity(matrix.rows(), matrix.cols());
}

template <typename Real>
Eigen::MatrixXd triangular_factor(const Eigen::MatrixXd& matrix) {
  const Eigen::HouseholderQR<Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic>> qr(matrix);
  const Index rows = (std::min)(matrix.rows(), matrix.cols());
  return qr.matrixQR().topRows(rows).template triangularView<Eigen::Upper>();
}

LORAPRO_NAMESPACE_END

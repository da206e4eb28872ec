// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/numeric.hpp>

#include <Eigen/SVD>  // BDCSVD

LORAPRO_NAMESPACE_BEGIN

/// Leading singular triplets of a matrix M, the largest value first:
///
///     M ~ left diag(values) right^T
struct LeadingSvd {
  Eigen::MatrixXd left;    ///< (rows, count), orthonormal columns
  Eigen::VectorXd values;  ///< (count), >= 0
  Eigen::MatrixXd right;   ///< (cols, count), orthonormal columns
};

/// Gives singular vectors, which are free up to a sign for both of a pair, the one that makes the
/// entry of largest magnitude, the first of equals, of each column of `leader` positive.
/// \param leader, follower  as many columns each.
inline void orient_columns(Eigen::MatrixXd& leader, Eigen::MatrixXd& follower) {
  for (Index k = 0; k < leader.cols(); ++k) {
    Index largest = 0;
    leader.col(k).cwiseAbs().maxCoeff(&largest);
    if (leader(largest, k) >= 0) continue;
    leader.col(k) = -leader.col(k);
    follower.col(k) = -follower.col(k);
  }
}

/// The `count` leading singular triplets, each left vector oriented (orient_columns).
/// \param matrix  finite numbers.
/// \param count   1 to min(rows, cols).
/// \cost a whole decomposition, about 20 m n min(m, n) flops: some seconds at 1024 x 1024, minutes
///       at 4096 x 4096. RandomizedSvd takes 4 m n count for each pass.
inline LeadingSvd leading_svd(const Eigen::MatrixXd& matrix, Index count) {
#if EIGEN_VERSION_AT_LEAST(3, 4, 90)
  const Eigen::BDCSVD<Eigen::MatrixXd, Eigen::ComputeThinU | Eigen::ComputeThinV> svd(matrix);
#else
  const Eigen::BDCSVD<Eigen::MatrixXd> svd(matrix, Eigen::ComputeThinU | Eigen::ComputeThinV);
#endif
  LeadingSvd out{svd.matrixU().leftCols(count), svd.singularValues().head(count),
                 svd.matrixV().leftCols(count)};
  orient_columns(out.left, out.right);
  return out;
}

LORAPRO_NAMESPACE_END

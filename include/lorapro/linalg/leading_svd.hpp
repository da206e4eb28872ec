// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/numeric.hpp>

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
template <typename Real = double>
LeadingSvd leading_svd(const Eigen::MatrixXd& matrix, Index count);

/// An orthonormal basis, (rows, cols), of what the columns of a matrix span, by Householder's
/// reflections; completed where they are dependent. \pre rows >= cols.
/// \cost 4 rows cols^2 flops.
template <typename Real = double>
Eigen::MatrixXd orthonormal_columns(const Eigen::MatrixXd& matrix);

/// The triangle R, (min(rows, cols), cols), of matrix = Q R: its columns have the norms and the inner
/// products of the matrix's. The signs of its rows are Householder's.
/// \cost 2 rows cols^2 flops.
template <typename Real = double>
Eigen::MatrixXd triangular_factor(const Eigen::MatrixXd& matrix);

LORAPRO_NAMESPACE_END

// Eigen's decompositions take a compiler half a minute: the library has them where it is linked, and
// elsewhere files that call none, for which these are templates, do not compile them.
#ifndef LORAPRO_COMPILED
#include <lorapro/linalg/dense_decompositions.hpp>
#endif

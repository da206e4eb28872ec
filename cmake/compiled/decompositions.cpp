// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// Eigen's decompositions, for the baseline: initialisers and file writers alone call them.

#include <lorapro/linalg/dense_decompositions.hpp>

LORAPRO_NAMESPACE_BEGIN

template LeadingSvd leading_svd<double>(const Eigen::MatrixXd&, Index);
template Eigen::MatrixXd orthonormal_columns<double>(const Eigen::MatrixXd&);
template Eigen::MatrixXd triangular_factor<double>(const Eigen::MatrixXd&);

LORAPRO_NAMESPACE_END

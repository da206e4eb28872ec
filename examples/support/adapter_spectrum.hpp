// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/io/adapter_module.hpp>
#include <lorapro/linalg/leading_svd.hpp>

namespace examples {

/// A matrix with the singular values of B A, of at most (rank, rank): with B = Q_B R_B and
/// A^T = Q_A R_A it is R_B R_A^T, since neither Q changes them. No (m, n) matrix is formed.
/// \param B  (m, rank)   \param A  (rank, n)
/// \cost 2 rank^2 (m + n) flops.
inline Eigen::MatrixXd core_of_product(const Eigen::MatrixXd& B, const Eigen::MatrixXd& A) {
  return lorapro::triangular_factor(B) * lorapro::triangular_factor(A.transpose()).transpose();
}

/// A core of s B A.
inline Eigen::MatrixXd core_of(const lorapro::io::AdapterModule& module) {
  return core_of_product(module.scaling() * module.lora_B().cast<double>(),
                         module.lora_A().cast<double>());
}

/// Singular values of a core, the largest first.
inline Eigen::VectorXd singular_values(const Eigen::MatrixXd& core) {
  return lorapro::leading_svd(core, std::min(core.rows(), core.cols())).values;
}

/// ||s1 B1 A1 - s2 B2 A2||_F, which equal products have at rounding whatever their factors are.
inline double distance(const lorapro::io::AdapterModule& a, const lorapro::io::AdapterModule& b) {
  Eigen::MatrixXd left(a.out_features, a.rank + b.rank), right(a.rank + b.rank, a.in_features);
  left << a.scaling() * a.lora_B().cast<double>(), -b.scaling() * b.lora_B().cast<double>();
  right << a.lora_A().cast<double>(), b.lora_A().cast<double>();
  return core_of_product(left, right).norm();
}

}  // namespace examples

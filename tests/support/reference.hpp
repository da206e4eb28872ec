// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Oracles. Plain loops in long double, dense matrices of the size of W, singular value
/// decompositions where the library works with Gram matrices: nothing here shares an idea, a kernel
/// or a rounding with the library.

#include <Eigen/Core>  // Matrix
#include <cmath>       // std::sqrt, std::abs
#include <vector>      // std::vector

namespace reference {

using Eigen::Index;
using Real = long double;
using RealMatrix = Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <typename Derived>
RealMatrix real(const Eigen::MatrixBase<Derived>& a) {
  RealMatrix out(a.rows(), a.cols());
  for (Index i = 0; i < a.rows(); ++i)
    for (Index j = 0; j < a.cols(); ++j) {
      if constexpr (std::is_same_v<typename Derived::Scalar, Real>)
        out(i, j) = a.derived().coeff(i, j);
      else
        out(i, j) = static_cast<Real>(static_cast<double>(a.derived().coeff(i, j)));
    }
  return out;
}

/// Rounded to T (through double, which is exact for the values that matter).
template <typename T>
auto rounded(const RealMatrix& a) {
  Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> out(a.rows(), a.cols());
  for (Index i = 0; i < a.size(); ++i)
    out.data()[i] = static_cast<T>(static_cast<double>(a.data()[i]));
  return out;
}

template <typename X, typename Y>
Real dot(const X& x, const Y& y) {
  Real sum = 0;
  for (Index i = 0; i < x.rows(); ++i)
    for (Index j = 0; j < x.cols(); ++j) sum += Real(x(i, j)) * Real(y(i, j));
  return sum;
}

Real norm(const RealMatrix& a);

RealMatrix transposed(const RealMatrix& a);

RealMatrix product(const RealMatrix& a, const RealMatrix& b);

RealMatrix identity(Index size);

/// M = U diag(values) V^T, U (rows, k), V (cols, k), k = min(rows, cols); values in any order.
struct Svd {
  RealMatrix U, V;
  std::vector<Real> values;

  Real largest() const {
    Real out = 0;
    for (const Real value : values) out = std::max(out, value);
    return out;
  }
};

/// One-sided Jacobi (Hestenes): accurate to the last bits for small singular values too.
Svd svd(const RealMatrix& M);

/// Moore-Penrose inverse; singular values up to cutoff times the largest count as zero.
RealMatrix pinv(const RealMatrix& M, Real cutoff = 1e-15L);

/// Orthogonal projector on the columns of M that survive the cutoff.
RealMatrix projector(const RealMatrix& M, Real cutoff = 1e-15L);

/// P_B G + G P_A - P_B G P_A.
RealMatrix tangent_projection(const RealMatrix& A, const RealMatrix& B, const RealMatrix& G,
                              Real cutoff = 1e-15L);

/// Two matrices shaped as A and B.
struct Pair {
  RealMatrix A, B;
};

/// E = s (B dA + dB A).
RealMatrix equivalent_gradient(const RealMatrix& A, const RealMatrix& B, const Pair& d, Real s);

/// Matrix of (dA, dB) -> E: rows are the elements of E in row-major order, columns those of dA,
/// then of dB.
RealMatrix jacobian(const RealMatrix& A, const RealMatrix& B, Real s);

/// What multiplies ||dA||^2 and ||dB||^2.
struct Lambdas {
  Real A = 0, B = 0;
};

/// argmin ||E - G||^2 + lambda_A ||dA||^2 + lambda_B ||dB||^2 by dense least squares on vec(G): the
/// minimum-norm one without damping.
Pair least_squares(const RealMatrix& A, const RealMatrix& B, const RealMatrix& G, Real s,
                   const Lambdas& lambda = {}, Real cutoff = 1e-15L);

/// lambda_A = rho s^2 l_max, lambda_B = rho s^2 u_max.
Lambdas dampings(const RealMatrix& A, const RealMatrix& B, Real s, Real rho);

/// (dA + X A, dB - B X).
Pair shifted(const RealMatrix& A, const RealMatrix& B, const Pair& d, const RealMatrix& X);

}  // namespace reference

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

inline Real norm(const RealMatrix& a) { return std::sqrt(dot(a, a)); }

inline RealMatrix transposed(const RealMatrix& a) { return a.transpose(); }

inline RealMatrix product(const RealMatrix& a, const RealMatrix& b) {
  RealMatrix out = RealMatrix::Zero(a.rows(), b.cols());
  for (Index i = 0; i < a.rows(); ++i)
    for (Index k = 0; k < a.cols(); ++k)
      for (Index j = 0; j < b.cols(); ++j) out(i, j) += a(i, k) * b(k, j);
  return out;
}

inline RealMatrix identity(Index size) { return RealMatrix::Identity(size, size); }

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
inline Svd svd(const RealMatrix& M) {
  if (M.rows() < M.cols()) {
    Svd flipped = svd(transposed(M));
    return {flipped.V, flipped.U, flipped.values};
  }
  Svd out{M, identity(M.cols()), std::vector<Real>(static_cast<std::size_t>(M.cols()))};
  RealMatrix& U = out.U;
  for (int sweep = 0, rotations = 1; rotations > 0 && sweep < 100; ++sweep) {
    rotations = 0;
    for (Index p = 0; p < M.cols(); ++p)
      for (Index q = p + 1; q < M.cols(); ++q) {
        const Real a = dot(U.col(p), U.col(p)), b = dot(U.col(q), U.col(q));
        const Real c = dot(U.col(p), U.col(q));
        if (c == 0 || std::abs(c) <= 1e-19L * std::sqrt(a * b)) continue;
        ++rotations;
        const Real zeta = (b - a) / (2 * c);
        const Real t = (zeta >= 0 ? 1 : -1) / (std::abs(zeta) + std::sqrt(1 + zeta * zeta));
        const Real cosine = 1 / std::sqrt(1 + t * t), sine = cosine * t;
        for (RealMatrix* matrix : {&U, &out.V})
          for (Index i = 0; i < matrix->rows(); ++i) {
            const Real x = (*matrix)(i, p), y = (*matrix)(i, q);
            (*matrix)(i, p) = cosine * x - sine * y;
            (*matrix)(i, q) = sine * x + cosine * y;
          }
      }
  }
  for (Index k = 0; k < M.cols(); ++k) {
    const Real value = std::sqrt(dot(U.col(k), U.col(k)));
    out.values[static_cast<std::size_t>(k)] = value;
    if (value > 0)
      for (Index i = 0; i < U.rows(); ++i) U(i, k) /= value;
  }
  return out;
}

/// Moore-Penrose inverse; singular values up to cutoff times the largest count as zero.
inline RealMatrix pinv(const RealMatrix& M, Real cutoff = 1e-15L) {
  Svd s = svd(M);
  const Real floor = cutoff * s.largest();
  for (Index k = 0; k < s.V.cols(); ++k) {
    const Real value = s.values[static_cast<std::size_t>(k)];
    for (Index i = 0; i < s.V.rows(); ++i) s.V(i, k) = value > floor ? s.V(i, k) / value : Real(0);
  }
  return product(s.V, transposed(s.U));
}

/// Orthogonal projector on the columns of M that survive the cutoff.
inline RealMatrix projector(const RealMatrix& M, Real cutoff = 1e-15L) {
  const Svd s = svd(M);
  RealMatrix out = RealMatrix::Zero(M.rows(), M.rows());
  for (Index k = 0; k < s.U.cols(); ++k)
    if (s.values[static_cast<std::size_t>(k)] > cutoff * s.largest())
      for (Index i = 0; i < M.rows(); ++i)
        for (Index j = 0; j < M.rows(); ++j) out(i, j) += s.U(i, k) * s.U(j, k);
  return out;
}

/// P_B G + G P_A - P_B G P_A.
inline RealMatrix tangent_projection(const RealMatrix& A, const RealMatrix& B, const RealMatrix& G,
                                     Real cutoff = 1e-15L) {
  const RealMatrix P_B = projector(B, cutoff), P_A = projector(transposed(A), cutoff);
  const RealMatrix left = product(P_B, G);
  return left + product(RealMatrix(G - left), P_A);
}

/// Two matrices shaped as A and B.
struct Pair {
  RealMatrix A, B;
};

/// E = s (B dA + dB A).
inline RealMatrix equivalent_gradient(const RealMatrix& A, const RealMatrix& B, const Pair& d,
                                      Real s) {
  return s * (product(B, d.A) + product(d.B, A));
}

/// Matrix of (dA, dB) -> E: rows are the elements of E in row-major order, columns those of dA,
/// then of dB.
inline RealMatrix jacobian(const RealMatrix& A, const RealMatrix& B, Real s) {
  const Index r = A.rows(), n = A.cols(), m = B.rows();
  RealMatrix J = RealMatrix::Zero(m * n, r * n + m * r);
  for (Index i = 0; i < m; ++i)
    for (Index j = 0; j < n; ++j)
      for (Index k = 0; k < r; ++k) {
        J(i * n + j, k * n + j) += s * B(i, k);
        J(i * n + j, r * n + i * r + k) += s * A(k, j);
      }
  return J;
}

/// argmin ||E - G||^2 + lambda (||dA||^2 + ||dB||^2) by dense least squares on vec(G): the
/// minimum-norm one at lambda = 0.
inline Pair least_squares(const RealMatrix& A, const RealMatrix& B, const RealMatrix& G, Real s,
                          Real lambda = 0, Real cutoff = 1e-15L) {
  const RealMatrix J = jacobian(A, B, s);
  const Index unknowns = J.cols();
  RealMatrix stacked = J;
  if (lambda > 0) {
    stacked = RealMatrix::Zero(J.rows() + unknowns, unknowns);
    stacked.topRows(J.rows()) = J;
    for (Index k = 0; k < unknowns; ++k) stacked(J.rows() + k, k) = std::sqrt(lambda);
  }
  RealMatrix g = RealMatrix::Zero(stacked.rows(), 1);
  for (Index k = 0; k < G.size(); ++k) g(k, 0) = G.data()[k];
  const RealMatrix d = product(pinv(stacked, cutoff), g);
  Pair out{RealMatrix(A.rows(), A.cols()), RealMatrix(B.rows(), B.cols())};
  for (Index k = 0; k < out.A.size(); ++k) out.A.data()[k] = d(k, 0);
  for (Index k = 0; k < out.B.size(); ++k) out.B.data()[k] = d(out.A.size() + k, 0);
  return out;
}

/// lambda = rho s^2 (l_max + u_max).
inline Real damping(const RealMatrix& A, const RealMatrix& B, Real s, Real rho) {
  const Real a = svd(A).largest(), b = svd(B).largest();
  return rho * s * s * (a * a + b * b);
}

/// (dA + X A, dB - B X).
inline Pair shifted(const RealMatrix& A, const RealMatrix& B, const Pair& d, const RealMatrix& X) {
  return {d.A + product(X, A), d.B - product(B, X)};
}

}  // namespace reference

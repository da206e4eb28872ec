// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/reference.hpp"

#include <algorithm>  // std::max
#include <cmath>      // std::sqrt, std::abs

namespace reference {

Real norm(const RealMatrix& a) { return std::sqrt(dot(a, a)); }

RealMatrix transposed(const RealMatrix& a) { return a.transpose(); }

RealMatrix product(const RealMatrix& a, const RealMatrix& b) {
  RealMatrix out = RealMatrix::Zero(a.rows(), b.cols());
  for (Index i = 0; i < a.rows(); ++i)
    for (Index k = 0; k < a.cols(); ++k)
      for (Index j = 0; j < b.cols(); ++j) out(i, j) += a(i, k) * b(k, j);
  return out;
}

RealMatrix identity(Index size) { return RealMatrix::Identity(size, size); }

Svd svd(const RealMatrix& M) {
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

RealMatrix pinv(const RealMatrix& M, Real cutoff) {
  Svd s = svd(M);
  const Real floor = cutoff * s.largest();
  for (Index k = 0; k < s.V.cols(); ++k) {
    const Real value = s.values[static_cast<std::size_t>(k)];
    for (Index i = 0; i < s.V.rows(); ++i) s.V(i, k) = value > floor ? s.V(i, k) / value : Real(0);
  }
  return product(s.V, transposed(s.U));
}

RealMatrix projector(const RealMatrix& M, Real cutoff) {
  const Svd s = svd(M);
  RealMatrix out = RealMatrix::Zero(M.rows(), M.rows());
  for (Index k = 0; k < s.U.cols(); ++k)
    if (s.values[static_cast<std::size_t>(k)] > cutoff * s.largest())
      for (Index i = 0; i < M.rows(); ++i)
        for (Index j = 0; j < M.rows(); ++j) out(i, j) += s.U(i, k) * s.U(j, k);
  return out;
}

RealMatrix tangent_projection(const RealMatrix& A, const RealMatrix& B, const RealMatrix& G,
                              Real cutoff) {
  const RealMatrix P_B = projector(B, cutoff), P_A = projector(transposed(A), cutoff);
  const RealMatrix left = product(P_B, G);
  return left + product(RealMatrix(G - left), P_A);
}

RealMatrix equivalent_gradient(const RealMatrix& A, const RealMatrix& B, const Pair& d, Real s) {
  return s * (product(B, d.A) + product(d.B, A));
}

RealMatrix jacobian(const RealMatrix& A, const RealMatrix& B, Real s) {
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

Pair least_squares(const RealMatrix& A, const RealMatrix& B, const RealMatrix& G, Real s,
                   const Lambdas& lambda, Real cutoff) {
  const RealMatrix J = jacobian(A, B, s);
  const Index unknowns = J.cols();
  RealMatrix stacked = J;
  if (lambda.A > 0 || lambda.B > 0) {
    stacked = RealMatrix::Zero(J.rows() + unknowns, unknowns);
    stacked.topRows(J.rows()) = J;
    for (Index k = 0; k < unknowns; ++k)
      stacked(J.rows() + k, k) = std::sqrt(k < A.size() ? lambda.A : lambda.B);
  }
  RealMatrix g = RealMatrix::Zero(stacked.rows(), 1);
  for (Index k = 0; k < G.size(); ++k) g(k, 0) = G.data()[k];
  const RealMatrix d = product(pinv(stacked, cutoff), g);
  Pair out{RealMatrix(A.rows(), A.cols()), RealMatrix(B.rows(), B.cols())};
  for (Index k = 0; k < out.A.size(); ++k) out.A.data()[k] = d(k, 0);
  for (Index k = 0; k < out.B.size(); ++k) out.B.data()[k] = d(out.A.size() + k, 0);
  return out;
}

Lambdas dampings(const RealMatrix& A, const RealMatrix& B, Real s, Real rho) {
  const Real a = svd(A).largest(), b = svd(B).largest();
  return {rho * s * s * b * b, rho * s * s * a * a};
}

Pair shifted(const RealMatrix& A, const RealMatrix& B, const Pair& d, const RealMatrix& X) {
  return {d.A + product(X, A), d.B - product(B, X)};
}

}  // namespace reference

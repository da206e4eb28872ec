// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/linalg/magnitude.hpp>

#include <cmath>  // std::hypot, std::sqrt, std::copysign, std::abs

LORAPRO_NAMESPACE_BEGIN

namespace detail {

inline Wide row_dot(const Wide* x, const Wide* y, Index size) {
  using P = Packets<Wide>;
  auto sum = P::set(0);
  Index i = 0;
  for (; i + P::kSize <= size; i += P::kSize) sum = P::fma(P::load(x + i), P::load(y + i), sum);
  Wide total = P::sum(sum);
  for (; i < size; ++i) total += x[i] * y[i];
  return total;
}

/// y += a x
inline void row_add(Wide a, const Wide* x, Wide* y, Index size) {
  using P = Packets<Wide>;
  const auto factor = P::set(a);
  Index i = 0;
  for (; i + P::kSize <= size; i += P::kSize)
    P::store(y + i, P::fma(factor, P::load(x + i), P::load(y + i)));
  for (; i < size; ++i) y[i] += a * x[i];
}

/// (x, y) <- (c x - s y, s x + c y)
inline void row_rotate(Wide c, Wide s, Wide* x, Wide* y, Index size) {
  using P = Packets<Wide>;
  const auto cosine = P::set(c), sine = P::set(s), minus_sine = P::set(-s);
  Index i = 0;
  for (; i + P::kSize <= size; i += P::kSize) {
    const auto a = P::load(x + i), b = P::load(y + i);
    P::store(x + i, P::fma(minus_sine, b, Eigen::internal::pmul(cosine, a)));
    P::store(y + i, P::fma(sine, a, Eigen::internal::pmul(cosine, b)));
  }
  for (; i < size; ++i) {
    const Wide a = x[i], b = y[i];
    x[i] = c * a - s * b;
    y[i] = s * a + c * b;
  }
}

/// Entries below this count as zero; the matrix is scaled, so that they are far below its rounding.
/// A matrix of low rank leaves the rounding noise of rounding noise behind, column after column,
/// until its squares would underflow and its rotations would no longer be orthogonal.
inline constexpr Wide kNegligible = 1e-140;

/// The power of two by which to divide a matrix so that squares of its entries neither overflow nor
/// underflow: it keeps the bits. 0 for most. \return false if an entry is not finite.
inline bool binary_scale(const Wide* matrix, Index count, int& exponent) {
  const Magnitude<Wide> magnitude = largest_magnitude(matrix, count);
  if (!magnitude.is_finite()) return false;
  const Wide largest = magnitude.value();
  std::frexp(largest, &exponent);
  exponent = (std::max)(exponent, -1000);  // 2^1000 is finite, and large enough for denormals
  if (largest == 0 || std::abs(exponent) <= 100) exponent = 0;
  return true;
}

/// Householder reduction H A H = T. On return `vectors` holds H (row i is the i-th row), `diagonal`
/// and `off_diagonal` (off_diagonal[i] couples i and i + 1) hold T. `matrix` is destroyed.
inline void tridiagonalize(Wide* matrix, Index size, Wide* vectors, Wide* diagonal,
                           Wide* off_diagonal, Wide* scratch) {
  Wide* const p = scratch;
  Wide* const betas = scratch + size;
  for (Index k = 0; k + 2 < size; ++k) {
    // The reflector of column k, kept in row k right of the diagonal: the matrix is symmetric.
    Wide* const v = matrix + k * size + k + 1;
    const Index length = size - k - 1;
    const Wide tail = row_dot(v + 1, v + 1, length - 1);
    const Wide norm = std::sqrt(v[0] * v[0] + tail);
    if (tail < kNegligible * kNegligible) {
      off_diagonal[k] = v[0];
      betas[k] = 0;
      continue;
    }
    off_diagonal[k] = -std::copysign(norm, v[0]);
    v[0] -= off_diagonal[k];
    const Wide beta = 2 / (v[0] * v[0] + tail);
    betas[k] = beta;
    // A <- (I - beta v v^T) A (I - beta v v^T) = A - v w^T - w v^T.
    for (Index i = 0; i < length; ++i)
      p[i] = beta * row_dot(matrix + (k + 1 + i) * size + k + 1, v, length);
    row_add(-beta / 2 * row_dot(p, v, length), v, p, length);
    for (Index i = 0; i < length; ++i) {
      Wide* const row = matrix + (k + 1 + i) * size + k + 1;
      row_add(-v[i], p, row, length);
      row_add(-p[i], v, row, length);
    }
  }
  for (Index i = 0; i < size; ++i) diagonal[i] = matrix[i * size + i];
  if (size > 1) off_diagonal[size - 2] = matrix[(size - 2) * size + size - 1];

  std::fill(vectors, vectors + size * size, 0.0);
  for (Index i = 0; i < size; ++i) vectors[i * size + i] = 1;
  for (Index k = size - 3; k >= 0; --k) {
    const Wide* const v = matrix + k * size + k + 1;
    if (betas[k] == 0) continue;
    for (Index i = k + 1; i < size; ++i) {
      Wide* const row = vectors + i * size + k + 1;
      row_add(-betas[k] * row_dot(row, v, size - k - 1), v, row, size - k - 1);
    }
  }
}

/// Few large eigenvalues among rounding noise keep feeding noise of their own size to neighbours
/// that are smaller: what has not settled against these by then is settled against the largest.
inline constexpr int kLocalIterations = 30;

/// Implicit QL with Wilkinson's shift on a tridiagonal matrix; the rotations act on the rows of
/// `vectors`. Returns false if an eigenvalue does not settle (never seen; only bad input can).
inline bool tridiagonal_ql(Wide* diagonal, Wide* off_diagonal, Index size, Wide* vectors) {
  constexpr int kMaxIterations = 60;
  const Wide eps = std::numeric_limits<Wide>::epsilon();
  off_diagonal[size - 1] = 0;
  Wide noise = 0;
  for (Index i = 0; i < size; ++i)
    noise = (std::max)(noise, eps * (std::abs(diagonal[i]) + std::abs(off_diagonal[i])));
  for (Index l = 0; l < size; ++l) {
    for (int iteration = 0;; ++iteration) {
      const Wide floor = iteration < kLocalIterations ? kNegligible : noise;
      Index m = l;
      while (m + 1 < size && std::abs(off_diagonal[m]) >
                                 eps * (std::abs(diagonal[m]) + std::abs(diagonal[m + 1])) + floor)
        ++m;
      if (m == l) break;
      if (iteration == kMaxIterations) return false;
      const Wide half_gap = (diagonal[l + 1] - diagonal[l]) / (2 * off_diagonal[l]);
      const Wide root = std::sqrt(half_gap * half_gap + 1);
      Wide g =
          diagonal[m] - diagonal[l] + off_diagonal[l] / (half_gap + std::copysign(root, half_gap));
      Wide s = 1, c = 1, p = 0;
      Index i = m - 1;
      for (; i >= l; --i) {
        const Wide f = s * off_diagonal[i];
        const Wide b = c * off_diagonal[i];
        Wide r = std::sqrt(f * f + g * g);
        if (r < kNegligible) r = std::hypot(f, g);  // the squares have underflowed
        off_diagonal[i + 1] = r;
        if (r == 0) {
          diagonal[i + 1] -= p;
          off_diagonal[m] = 0;
          break;
        }
        s = f / r;
        c = g / r;
        g = diagonal[i + 1] - p;
        const Wide q = (diagonal[i] - g) * s + 2 * c * b;
        p = s * q;
        diagonal[i + 1] = g + p;
        g = c * q - b;
        row_rotate(c, s, vectors + i * size, vectors + (i + 1) * size, size);
      }
      if (i >= l) continue;
      diagonal[l] -= p;
      off_diagonal[l] = g;
      off_diagonal[m] = 0;
    }
  }
  return true;
}

}  // namespace detail

/// Heap that symmetric_eigen needs, in Wide elements.
inline Index symmetric_eigen_scratch(Index size) { return 3 * size; }

/// Eigendecomposition S = V diag(values) V^T of a symmetric matrix, in any order of the
/// eigenvalues.
///
/// Not Eigen::SelfAdjointEigenSolver, which is the oracle of the tests: that one allocates at a
/// dynamic size, and its symbols are shared by units compiled for different instruction sets.
///
/// \param[in,out] matrix  (size, size), row-major, both triangles filled; destroyed.
/// \param[out] values     (size)
/// \param[out] vectors    (size, size), row i is the eigenvector of values[i], that is V^T.
/// \param scratch         symmetric_eigen_scratch(size) elements.
/// \return false if the matrix is not finite or the iteration does not settle; outputs are then
///         undefined. Absolute error of the eigenvalues: a small multiple of eps ||S||.
/// \cost about 9 size^3 flops, in cache; no heap.
/// \ref Martin, Reinsch, Wilkinson, Householder's tridiagonalization of a symmetric matrix, and
///      Bowdler, Martin, Reinsch, Wilkinson, The QR and QL algorithms for symmetric matrices,
///      Numerische Mathematik 11, 1968.
[[nodiscard]] inline bool symmetric_eigen(Wide* matrix, Index size, Wide* values, Wide* vectors,
                                          Wide* scratch) {
  int exponent = 0;
  if (!detail::binary_scale(matrix, size * size, exponent)) return false;
  if (exponent != 0)
    for (Index i = 0; i < size * size; ++i) matrix[i] *= std::ldexp(1.0, -exponent);
  Wide* const off_diagonal = scratch;
  detail::tridiagonalize(matrix, size, vectors, values, off_diagonal, scratch + size);
  if (!detail::tridiagonal_ql(values, off_diagonal, size, vectors)) return false;
  if (exponent != 0)
    for (Index i = 0; i < size; ++i) values[i] = std::ldexp(values[i], exponent);
  return true;
}

LORAPRO_NAMESPACE_END

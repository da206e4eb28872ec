// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/linalg/spectral_pair.hpp>

#include <algorithm>  // std::copy_n, std::fill

LORAPRO_NAMESPACE_BEGIN

/// The orthogonal factor H = U V^T of a tangent vector N = U diag(sigma) V^T at (B, A), the sum
/// over the singular values above kCutoff times the largest, as what the factors see of it:
///
///     B^T H = on_grad_A nu_A + on_A A        (H A^T)^T = on_grad_B nu_B + on_B B^T
///
/// from nu_A = B^T N (r, n) and nu_B = (N A^T)^T (r, m), through r x r products alone. With
/// P = V_l diag(l) V_l^T and Q = V_u diag(u) V_u^T the columns of U_B = B V_l l^-1/2 and of
/// U_A = A^T V_u u^-1/2 are orthonormal, and
///
///     N = U_B C U_A^T + U_B X + Y U_A^T,   C = U_B^T N U_A,   X U_A = 0,   U_B^T Y = 0
///
/// The Gram matrices of X and Y, (r, r), are U_B^T N N^T U_B - C C^T and its like; their
/// eigendecompositions give orthonormal rows Q_A and columns Q_B, so that N = [U_B Q_B] K [U_A
/// Q_A^T]^T with a core K (2 r, 2 r). Its orthogonal factor Z comes from the eigendecomposition of
/// K^T K, and B^T H = B^T U_B (Z_11 U_A^T + Z_12 Q_A) since B^T Q_B = 0: no tall factor is ever
/// formed. Squaring costs half of the digits: a singular value that is q times the largest, and its
/// vectors, are off by about eps / q^2 of themselves, 1e-6 at kCutoff in double. A momentum in
/// float does not know them any better.
/// \ref the decomposition is the library's; H without the cutoff is the step of Muon
///      (Jordan et al., 2024, https://kellerjordan.github.io/posts/muon).
class SpectralDirection {
 public:
  /// Singular values below this times the largest are dropped: rounding noise of what is stored.
  static constexpr Wide kCutoff = 1e-5;

  explicit SpectralDirection(Index rank)
      : rank_(rank), memory_(34 * rank * rank + 16 * rank), results_(4 * rank * rank) {}

  /// \param spectra  of P and Q.
  /// \param cross_A, gram_A  nu_A A^T and nu_A nu_A^T, (r, r).
  /// \param cross_B, gram_B  nu_B B and nu_B nu_B^T, (r, r).
  /// \param factor   multiplies H.
  /// \return false if an eigendecomposition failed, which only bad input can cause.
  /// \cost about 72 r^3 flops for the core, 9 r^3 for either side and 100 r^3 in products; no heap.
  [[nodiscard]] bool compute(const SpectralPair& spectra, const Wide* cross_A, const Wide* gram_A,
                             const Wide* cross_B, const Wide* gram_B, double factor) {
    const Spectrum& p = spectra.gram_B();
    const Spectrum& q = spectra.gram_A();
    const Index r = rank_, size = r * r;
    Wide* next = memory_.data();
    const auto take = [&](Index count) {
      Wide* const result = next;
      next += count;
      return result;
    };
    Side a, b;
    for (Side* side : {&a, &b}) {
      side->whiten = take(size);
      side->colour = take(size);
      side->core = take(size);
      side->gram = take(size);
      side->vectors = take(size);
      side->roots = take(r);
    }
    Wide* const work = take(size);
    Wide* const other_work = take(size);
    Wide* const core = take(4 * size);
    Wide* const core_vectors = take(4 * size);
    Wide* const images = take(4 * size);
    Wide* const orthogonal = take(4 * size);
    Wide* const values = take(2 * r);
    Wide* const eigen_scratch = take(symmetric_eigen_scratch(2 * r));
    bases(p, a);  // seen by B, so on side A
    bases(q, b);
    Wide total = inside(cross_A, a, b, work) + outside(gram_A, a, work);
    (void)inside(cross_B, b, a, work);
    total += outside(gram_B, b, work);

    conditioning_ = (std::max)(condition(p), condition(q));
    const Wide eps = std::numeric_limits<Wide>::epsilon();
    // Smaller eigenvalues are the rounding of the two terms whose difference they are. An N that
    // would underflow counts as zero.
    const Wide noise = (std::max)(1e-300, total * 16 * static_cast<Wide>(r) * eps * conditioning_);
    for (Side* side : {&a, &b}) {
      if (!symmetric_eigen(side->gram, r, values, side->vectors, eigen_scratch)) return false;
      for (Index i = 0; i < r; ++i) side->roots[i] = values[i] > noise ? std::sqrt(values[i]) : 0;
    }

    // The core, [C, W_A w_A^1/2; w_B^1/2 W_B^T, 0]; both sides have their own C, equal but for
    // the rounding of nu.
    std::fill(core, core + 4 * size, 0.0);
    for (Index i = 0; i < r; ++i)
      for (Index k = 0; k < r; ++k) {
        core[i * 2 * r + k] = (a.core[i * r + k] + b.core[k * r + i]) / 2;
        core[i * 2 * r + r + k] = a.vectors[k * r + i] * a.roots[k];
        core[(r + k) * 2 * r + i] = b.roots[k] * b.vectors[k * r + i];
      }
    panel_product(core, Index{1}, 2 * r, 2 * r, 2 * r, core, 2 * r, 2 * r, images, 2 * r, false);
    if (!symmetric_eigen(images, 2 * r, values, core_vectors, eigen_scratch)) return false;
    std::fill(images, images + 4 * size, 0.0);
    panel_dots(core_vectors, 2 * r, 2 * r, core, 2 * r, 2 * r, 2 * r, images, 2 * r, Index{1});
    Wide largest = 0;
    for (Index i = 0; i < 2 * r; ++i) {
      const Wide* const row = images + i * 2 * r;
      values[i] = std::sqrt(detail::row_dot(row, row, 2 * r));
      largest = (std::max)(largest, values[i]);
    }
    if (total <= 1e-280) largest = (std::numeric_limits<Wide>::max)();
    for (Index i = 0; i < 2 * r; ++i) {
      const Wide scale = values[i] > kCutoff * largest ? 1 / values[i] : 0;
      for (Index k = 0; k < 2 * r; ++k) images[i * 2 * r + k] *= scale;
    }
    panel_product(images, Index{1}, 2 * r, 2 * r, 2 * r, core_vectors, 2 * r, 2 * r, orthogonal,
                  2 * r, false);

    coefficients(orthogonal, 2 * r, 1, orthogonal + r, a, b, factor, results_.data(), work,
                 other_work);
    coefficients(orthogonal, 1, 2 * r, orthogonal + 2 * size, b, a, factor,
                 results_.data() + 2 * size, work, other_work);
    // B^T H A^T = V_l l^1/2 Z_11 u^1/2 V_u^T; colour holds the transposes.
    panel_product(orthogonal, 2 * r, Index{1}, r, r, b.colour, r, r, work, r, false);
    panel_product(a.colour, Index{1}, r, r, r, work, r, r, a.core, r, false);
    for (Index k = 0; k < size; ++k) a.core[k] *= factor;
    cross_ = a.core;
    return true;
  }

  /// B^T H A^T, times the factor, and its transpose.
  void cross(Wide* cross_A, Wide* cross_B) const {
    for (Index i = 0; i < rank_; ++i)
      for (Index k = 0; k < rank_; ++k)
        cross_A[i * rank_ + k] = cross_B[k * rank_ + i] = cross_[i * rank_ + k];
  }
  /// Largest over smallest eigenvalue that is inverted.
  double conditioning() const { return conditioning_; }

  /// \name Of compute, (r, r), times the factor
  /// @{
  const Wide* on_grad_A() const { return results_.data(); }
  const Wide* on_A() const { return results_.data() + rank_ * rank_; }
  const Wide* on_grad_B() const { return results_.data() + 2 * rank_ * rank_; }
  const Wide* on_B() const { return results_.data() + 3 * rank_ * rank_; }
  /// @}

 private:
  /// What belongs to nu_A (bases of B, C, the rest X), or to nu_B (bases of A, C^T, Y^T).
  struct Side {
    Wide* whiten = nullptr;   ///< diag(l)^-1/2 V_l^T
    Wide* colour = nullptr;   ///< diag(l)^1/2 V_l^T
    Wide* core = nullptr;     ///< C
    Wide* gram = nullptr;     ///< X X^T
    Wide* vectors = nullptr;  ///< its eigenvectors, as rows
    Wide* roots = nullptr;    ///< the roots of its eigenvalues, 0 where they are noise
  };

  void bases(const Spectrum& spectrum, Side& side) const {
    for (Index i = 0; i < rank_; ++i) {
      const Wide root = spectrum.values[i] > spectrum.cutoff ? std::sqrt(spectrum.values[i]) : 0;
      const Wide inverse = root > 0 ? 1 / root : 0;
      for (Index k = 0; k < rank_; ++k) {
        side.whiten[i * rank_ + k] = inverse * spectrum.vectors[i * rank_ + k];
        side.colour[i * rank_ + k] = root * spectrum.vectors[i * rank_ + k];
      }
    }
  }

  double condition(const Spectrum& spectrum) const {
    Wide smallest = spectrum.largest;
    for (Index i = 0; i < rank_; ++i)
      if (spectrum.values[i] > spectrum.cutoff) smallest = (std::min)(smallest, spectrum.values[i]);
    return smallest > 0 ? spectrum.largest / smallest : 1;
  }

  /// C = whiten cross other.whiten^T. \return ||C||_F^2.
  Wide inside(const Wide* cross, const Side& side, const Side& other, Wide* work) const {
    const Index r = rank_;
    panel_product(side.whiten, r, Index{1}, r, r, cross, r, r, work, r, false);
    std::fill(side.core, side.core + r * r, 0.0);
    panel_dots(work, r, r, other.whiten, r, r, r, side.core, r, Index{1});
    return detail::row_dot(side.core, side.core, r * r);
  }

  /// X X^T = whiten gram whiten^T - C C^T. \return its trace.
  Wide outside(const Wide* gram, const Side& side, Wide* work) const {
    const Index r = rank_, size = r * r;
    for (Index k = 0; k < size; ++k) work[k] = -side.core[k];
    std::fill(side.gram, side.gram + size, 0.0);
    panel_dots(work, r, r, side.core, r, r, r, side.gram, r, Index{1});
    panel_product(side.whiten, r, Index{1}, r, r, gram, r, r, work, r, false);
    panel_dots(work, r, r, side.whiten, r, r, r, side.gram, r, Index{1});
    Wide trace = 0;
    for (Index i = 0; i < r; ++i) {
      trace += side.gram[i * r + i];
      // The decomposition wants both triangles to agree.
      for (Index k = 0; k < i; ++k)
        side.gram[i * r + k] = side.gram[k * r + i] =
            (side.gram[i * r + k] + side.gram[k * r + i]) / 2;
    }
    return trace;
  }

  /// One side of the result: with Z_11 (element (i, k) at i row_stride + k col_stride) and Z_12
  /// (alike), T = Z_12 w^-1/2 W^T,
  ///
  ///     on_grad = factor colour^T T whiten    on_factor = factor colour^T (Z_11 - T C)
  ///     other.whiten
  void coefficients(const Wide* first, Index row_stride, Index col_stride, const Wide* second,
                    const Side& side, const Side& other, double factor, Wide* out, Wide* work,
                    Wide* other_work) const {
    const Index r = rank_, size = r * r;
    for (Index k = 0; k < r; ++k) {
      const Wide scale = side.roots[k] > 0 ? 1 / side.roots[k] : 0;
      for (Index i = 0; i < r; ++i) side.vectors[k * r + i] *= scale;
    }
    panel_product(second, row_stride, col_stride, r, r, side.vectors, r, r, work, r, false);
    panel_product(work, r, Index{1}, r, r, side.whiten, r, r, other_work, r, false);
    panel_product(side.colour, Index{1}, r, r, r, other_work, r, r, out, r, false);
    panel_product(work, r, Index{1}, r, r, side.core, r, r, other_work, r, false);
    for (Index i = 0; i < r; ++i)
      for (Index k = 0; k < r; ++k)
        other_work[i * r + k] = first[i * row_stride + k * col_stride] - other_work[i * r + k];
    panel_product(other_work, r, Index{1}, r, r, other.whiten, r, r, work, r, false);
    panel_product(side.colour, Index{1}, r, r, r, work, r, r, out + size, r, false);
    for (Index k = 0; k < 2 * size; ++k) out[k] *= factor;
  }

  Index rank_;
  Buffer<Wide> memory_;
  Buffer<Wide> results_;
  const Wide* cross_ = nullptr;
  double conditioning_ = 1;
};

LORAPRO_NAMESPACE_END

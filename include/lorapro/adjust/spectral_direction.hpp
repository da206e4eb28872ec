// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/side_coefficients.hpp>
#include <lorapro/linalg/spectral_pair.hpp>

LORAPRO_NAMESPACE_BEGIN

/// The orthogonal factor H = U V^T of a tangent vector N = U diag(sigma) V^T at (B, A), the sum
/// over the singular values above kCutoff times the largest, as what the factors see of it:
///
///     B^T H = A.on_grad nu_A + A.on_factor A        (H A^T)^T = B.on_grad nu_B + B.on_factor B^T
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

  /// What is known of nu_A or nu_B.
  struct Seen {
    ConstSquare cross;  ///< nu_A A^T; nu_B B
    ConstSquare gram;   ///< nu_A nu_A^T; nu_B nu_B^T
  };

  explicit SpectralDirection(Index rank) : rank_(rank), arena_(arena_size(rank)) {
    for (Basis& basis : bases_) {
      basis.whiten = arena_.square(rank);
      basis.colour = arena_.square(rank);
      basis.C = arena_.square(rank);
      basis.gram = arena_.square(rank);
      basis.W_t = arena_.square(rank);
      basis.roots = arena_.vector(rank);
    }
    for (OwnedCoefficients& side : results_) side = OwnedCoefficients::in(arena_, rank);
    core_ = {arena_.square(2 * rank), arena_.square(2 * rank), arena_.square(2 * rank),
             arena_.square(2 * rank), arena_.vector(2 * rank)};
    cross_ = arena_.square(rank);
    work_ = {arena_.square(rank), arena_.square(rank)};
    eigen_scratch_ = arena_.vector(symmetric_eigen_scratch(2 * rank));
    arena_.close();
  }

  /// \param spectra  of P and Q.
  /// \param factor   multiplies H.
  /// \return false if an eigendecomposition failed, which only bad input can cause.
  /// \cost about 72 r^3 flops for the core, 9 r^3 for either side and 100 r^3 in products; no heap.
  [[nodiscard]] bool compute(const SpectralPair& spectra, const PerSide<Seen>& seen,
                             double factor) {
    for (const Side side : kSides) set_basis(spectra.of(other(side)), bases_[side]);
    Wide total = 0;
    for (const Side side : kSides) {
      const Wide inside = set_inside(seen[side].cross, bases_[side], bases_[other(side)]);
      // C is the same on both sides but for rounding, and counts once.
      if (side == Side::A) total += inside;
      total += set_outside(seen[side].gram, bases_[side]);
    }
    conditioning_ = (std::max)(spectra.P().conditioning(), spectra.Q().conditioning());
    // Smaller eigenvalues are the rounding of the two terms whose difference they are. An N that
    // would underflow counts as zero.
    const Wide noise = (std::max)(1e-300, total * 16 * static_cast<Wide>(rank_) *
                                              std::numeric_limits<Wide>::epsilon() * conditioning_);
    for (Basis& basis : bases_)
      if (!decompose_outside(noise, basis)) return false;
    if (!orthogonalize_core(/*is_zero=*/total <= 1e-280)) return false;

    // B^T H A^T = V_l l^1/2 Z_11 u^1/2 V_u^T.
    const Square Z = core_.orthogonal, Z_11 = Z.block(0, 0, rank_);
    set_side(Z_11, Z.block(0, rank_, rank_), Side::A, factor);
    // The other side's are the transposes.
    transpose(core_.images, Z);
    const Square Z_t = core_.images;
    set_side(Z_t.block(0, 0, rank_), Z_t.block(0, rank_, rank_), Side::B, factor);
    multiply(work_.A, Z_11, bases_.B.colour);
    multiply(cross_, transposed(bases_.A.colour), work_.A);
    scale(cross_, factor);
    return true;
  }

  /// B^T H A^T, times the factor, and its transpose.
  void cross(const PerSide<Square>& out) const {
    copy(out.A, cross_);
    transpose(out.B, cross_);
  }
  /// Largest over smallest eigenvalue that is inverted.
  double conditioning() const { return conditioning_; }
  /// Of compute, times the factor.
  SideCoefficients operator[](Side side) const { return results_[side]; }

 private:
  /// What belongs to nu_A (bases of B, C, the rest X), or to nu_B (bases of A, C^T, Y^T).
  struct Basis {
    Square whiten;          ///< diag(l)^-1/2 V_l^T
    Square colour;          ///< diag(l)^1/2 V_l^T
    Square C;               ///< the core
    Square gram;            ///< X X^T
    Square W_t;             ///< its eigenvectors, as rows
    Wide* roots = nullptr;  ///< the roots of its eigenvalues, 0 where they are noise
  };

  /// All (2 r, 2 r).
  struct Core {
    Square K;
    Square vectors;     ///< of K^T K, as rows
    Square images;      ///< K times those vectors, as rows
    Square orthogonal;  ///< Z
    Wide* values = nullptr;
  };

  static Index arena_size(Index rank) {
    return 2 * (5 * square_size(rank) + rank + OwnedCoefficients::size(rank)) +
           4 * square_size(2 * rank) + 2 * rank + 3 * square_size(rank) +
           symmetric_eigen_scratch(2 * rank);
  }

  void set_basis(const Spectrum& spectrum, Basis& basis) const {
    for (Index i = 0; i < rank_; ++i) {
      const Wide root = spectrum.counts(i) ? std::sqrt(spectrum.values[i]) : 0;
      const Wide inverse = root > 0 ? 1 / root : 0;
      for (Index k = 0; k < rank_; ++k) {
        basis.whiten(i, k) = inverse * spectrum.vectors(i, k);
        basis.colour(i, k) = root * spectrum.vectors(i, k);
      }
    }
  }

  /// C = whiten cross other.whiten^T. \return ||C||_F^2.
  Wide set_inside(ConstSquare cross, const Basis& basis, const Basis& other) const {
    multiply(work_.A, basis.whiten, cross);
    multiply(basis.C, work_.A, transposed(other.whiten));
    return dot(basis.C, basis.C);
  }

  /// X X^T = whiten gram whiten^T - C C^T. \return its trace.
  Wide set_outside(ConstSquare gram, const Basis& basis) const {
    negate(work_.A, basis.C);
    multiply(basis.gram, work_.A, transposed(basis.C));
    multiply(work_.A, basis.whiten, gram);
    add_product(basis.gram, work_.A, transposed(basis.whiten));
    symmetrize(basis.gram);  // as the decomposition wants it
    Wide trace = 0;
    for (Index i = 0; i < rank_; ++i) trace += basis.gram(i, i);
    return trace;
  }

  bool decompose_outside(Wide noise, const Basis& basis) const {
    Wide* const values = core_.values;
    if (!symmetric_eigen(basis.gram.data(), rank_, values, basis.W_t.data(), eigen_scratch_))
      return false;
    for (Index i = 0; i < rank_; ++i) basis.roots[i] = values[i] > noise ? std::sqrt(values[i]) : 0;
    return true;
  }

  /// Z, the orthogonal factor of K = [C, W_A w_A^1/2; w_B^1/2 W_B^T, 0].
  bool orthogonalize_core(bool is_zero) const {
    const Index r = rank_;
    const Basis &a = bases_.A, &b = bases_.B;
    const Square K = core_.K, images = core_.images;
    Wide* const values = core_.values;
    set_zero(K);
    for (Index i = 0; i < r; ++i)
      for (Index k = 0; k < r; ++k) {
        // Both sides have their own C, equal but for the rounding of nu.
        K(i, k) = (a.C(i, k) + b.C(k, i)) / 2;
        K(i, r + k) = a.W_t(k, i) * a.roots[k];
        K(r + k, i) = b.roots[k] * b.W_t(k, i);
      }
    multiply(images, transposed(K), K);
    if (!symmetric_eigen(images.data(), 2 * r, values, core_.vectors.data(), eigen_scratch_))
      return false;
    multiply(images, core_.vectors, transposed(K));
    Wide largest = 0;
    for (Index i = 0; i < 2 * r; ++i) {
      values[i] = std::sqrt(detail::row_dot(images.row(i), images.row(i), 2 * r));
      largest = (std::max)(largest, values[i]);
    }
    if (is_zero) largest = (std::numeric_limits<Wide>::max)();
    for (Index i = 0; i < 2 * r; ++i) {
      const Wide inverse = values[i] > kCutoff * largest ? 1 / values[i] : 0;
      for (Index k = 0; k < 2 * r; ++k) images(i, k) *= inverse;
    }
    multiply(core_.orthogonal, transposed(images), core_.vectors);
    return true;
  }

  /// One side of the result: with T = Z_12 w^-1/2 W^T,
  ///
  ///     on_grad = factor colour^T T whiten
  ///     on_factor = factor colour^T (Z_11 - T C) other.whiten
  void set_side(ConstSquare Z_11, ConstSquare Z_12, Side which, double factor) const {
    const Basis& basis = bases_[which];
    const OwnedCoefficients& out = results_[which];
    const Square T = work_.A, work = work_.B;
    for (Index k = 0; k < rank_; ++k) {
      const Wide inverse = basis.roots[k] > 0 ? 1 / basis.roots[k] : 0;
      for (Index i = 0; i < rank_; ++i) basis.W_t(k, i) *= inverse;
    }
    multiply(T, Z_12, basis.W_t);
    multiply(work, T, basis.whiten);
    multiply(out.on_grad, transposed(basis.colour), work);
    multiply(work, T, basis.C);
    for (Index i = 0; i < rank_; ++i)
      for (Index k = 0; k < rank_; ++k) work(i, k) = Z_11(i, k) - work(i, k);
    multiply(T, work, bases_[other(which)].whiten);
    multiply(out.on_factor, transposed(basis.colour), T);
    out.scale(factor);
  }

  Index rank_;
  Arena arena_;
  PerSide<Basis> bases_;
  PerSide<OwnedCoefficients> results_;
  Core core_;
  Square cross_;  // B^T H A^T
  PerSide<Square> work_;
  Wide* eigen_scratch_ = nullptr;
  double conditioning_ = 1;
};

LORAPRO_NAMESPACE_END

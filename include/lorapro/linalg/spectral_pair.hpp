// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/side.hpp>
#include <lorapro/linalg/arena.hpp>
#include <lorapro/linalg/batched_eigen.hpp>

#include <cmath>  // std::sqrt

LORAPRO_NAMESPACE_BEGIN

/// One Gram matrix in its eigenbasis: S = V diag(values) V^T, values clamped at zero.
struct Spectrum {
  Square vectors;          ///< V^T: row i belongs to values[i]
  Wide* values = nullptr;  ///< (r)
  Wide largest = 0;        ///< largest eigenvalue
  Wide cutoff = 0;         ///< r eps largest: what is not above it counts as zero
  Index rank = 0;          ///< eigenvalues above the cutoff

  bool counts(Index i) const { return values[i] > cutoff; }
  /// Largest over smallest eigenvalue above the cutoff; 1 where there is none.
  double conditioning() const {
    Wide smallest = largest;
    for (Index i = 0; i < vectors.order(); ++i)
      if (counts(i)) smallest = (std::min)(smallest, values[i]);
    return smallest > 0 ? largest / smallest : 1;
  }
};

/// out = V diag(values) V^T. \param scratch  r^2 elements. \cost 2 r^3 flops.
inline void from_eigenbasis(Square out, ConstSquare V_t, const Wide* values, Workspace scratch) {
  const Square scaled = scratch.square(out.order());
  scale_rows(scaled, values, V_t);
  multiply(out, transposed(V_t), scaled);
}

/// out = diag(values)^-1/2 V^T, by which F becomes orthonormal where S = F F^T; the rows of what has
/// lost its rank are zero.
inline void whitening(const Spectrum& spectrum, Square out) {
  for (Index i = 0; i < out.order(); ++i) {
    const Wide root = spectrum.counts(i) ? 1 / std::sqrt(spectrum.values[i]) : 0;
    for (Index k = 0; k < out.order(); ++k) out(i, k) = root * spectrum.vectors(i, k);
  }
}

/// out = (S + delta I)^-1; without delta what has lost its rank is left out (Moore and Penrose).
/// \return the largest over the smallest eigenvalue that was inverted, 1 where there is none.
/// \param scratch  r^2 + r elements. \cost 2 r^3 flops.
inline double shifted_inverse(const Spectrum& spectrum, double delta, Square out,
                              Workspace scratch) {
  const Index r = out.order();
  Wide* const inverses = scratch.vector(r);
  const double largest = spectrum.largest + delta;
  const double cutoff = static_cast<double>(r) * std::numeric_limits<Wide>::epsilon() * largest;
  double smallest = largest;
  for (Index i = 0; i < r; ++i) {
    const double value = spectrum.values[i] + delta;
    const bool counts = value > cutoff && (delta > 0 || spectrum.counts(i));
    inverses[i] = counts ? 1 / value : 0;
    if (counts) smallest = (std::min)(smallest, value);
  }
  from_eigenbasis(out, spectrum.vectors, inverses, scratch);
  return smallest > 0 ? largest / smallest : 1;
}

/// The spectra of P = B^T B and Q = A A^T of one pair, with their relative cutoffs.
/// The cutoff is r eps times the largest eigenvalue, eps = max(eps of the wide scalar, eps of the
/// storage type squared): beyond a condition number of about 1 / sqrt(r eps) a factor is treated as
/// rank-deficient.
class SpectralPair {
 public:
  explicit SpectralPair(Index rank) : rank_(rank), arena_(2 * square_size(rank) + 2 * rank) {
    for (Spectrum& spectrum : spectra_) spectrum.vectors = arena_.square(rank);
    for (Spectrum& spectrum : spectra_) spectrum.values = arena_.vector(rank);
    arena_.close();
    for (const Side side : kSides) {
      problems_[side].values = spectra_[side].values;
      problems_[side].vectors = spectra_[side].vectors.data();
    }
  }

  /// Scratch that a decomposition needs, in Wide elements.
  static Index scratch_size(Index rank) { return batched_eigen_scratch(rank, 2); }

  /// Decomposes both Gram matrices.
  /// \param Q, P     A A^T and B^T B, both triangles, contiguous.
  /// \param scratch  scratch_size(rank) elements.
  /// \return false if an entry is not finite.
  /// \cost about 18 r^3 flops; no heap.
  [[nodiscard]] bool compute(ConstSquare Q, ConstSquare P, double storage_eps, Workspace scratch) {
    set_gram(Side::A, Q);
    set_gram(Side::B, P);
    decompose(scratch);
    return finish(storage_eps);
  }

  /// \name The parts of compute, for decompositions in the company of other pairs'
  /// @{
  /// The Gram matrix of a factor; it must stay where it is until it has been decomposed.
  void set_gram(Side factor, ConstSquare gram) {
    problems_[factor].matrix = gram.data();
    problems_[factor].state = EigenProblem::State::pending;
  }
  void decompose(Workspace scratch) {
    EigenProblem* const problems[] = {&problems_.A, &problems_.B};
    batched_eigen(problems, 2, rank_, scratch.vector(scratch_size(rank_)));
  }
  /// What decompose gives to batched_eigen; the caller may, in any company.
  EigenProblem& problem(Side factor) { return problems_[factor]; }
  /// Ranks and cutoffs. \pre Both problems have been decomposed.
  /// \return false if an entry was not finite.
  [[nodiscard]] bool finish(double storage_eps) {
    bool settled = true;
    for (EigenProblem& problem : problems_) {
      settled = settled && problem.state == EigenProblem::State::settled;
      problem.state = EigenProblem::State::none;
    }
    if (!settled) return false;
    for (Spectrum& spectrum : spectra_) truncate(storage_eps, spectrum);
    return true;
  }
  /// @}

  Index rank() const { return rank_; }
  /// Of a factor's own Gram matrix. The gradient of a factor is divided by that of the other one.
  const Spectrum& of(Side factor) const { return spectra_[factor]; }
  const Spectrum& Q() const { return spectra_.A; }  ///< of A A^T
  const Spectrum& P() const { return spectra_.B; }  ///< of B^T B

 private:
  void truncate(double storage_eps, Spectrum& spectrum) const {
    spectrum.largest = 0;
    for (Index i = 0; i < rank_; ++i) {
      spectrum.values[i] = (std::max)(spectrum.values[i], 0.0);
      spectrum.largest = (std::max)(spectrum.largest, spectrum.values[i]);
    }
    spectrum.cutoff = static_cast<Wide>(rank_) * cutoff_epsilon(storage_eps) * spectrum.largest;
    spectrum.rank = 0;
    for (Index i = 0; i < rank_; ++i) spectrum.rank += spectrum.counts(i);
  }

  Index rank_;
  Arena arena_;
  PerSide<Spectrum> spectra_;
  PerSide<EigenProblem> problems_;
};

LORAPRO_NAMESPACE_END

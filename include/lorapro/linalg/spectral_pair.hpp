// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/buffer.hpp>
#include <lorapro/linalg/symmetric_eigen.hpp>

LORAPRO_NAMESPACE_BEGIN

/// One Gram matrix in its eigenbasis: S = V diag(values) V^T, values clamped at zero.
struct Spectrum {
  Wide* vectors = nullptr;  ///< (r, r), row i belongs to values[i]
  Wide* values = nullptr;   ///< (r)
  Wide largest = 0;         ///< largest eigenvalue
  Wide cutoff = 0;          ///< r eps largest: what is not above it counts as zero
  Index rank = 0;           ///< eigenvalues above the cutoff
};

/// The spectra of P = B^T B and Q = A A^T of one pair, with their relative cutoffs.
/// \ref docs of the cutoff: r eps times the largest eigenvalue, eps = max(eps of the wide scalar,
/// eps
///      of the storage type squared); beyond a condition number of about 1 / sqrt(r eps) a factor
///      is treated as rank-deficient.
class SpectralPair {
 public:
  explicit SpectralPair(Index rank)
      : rank_(rank), memory_(2 * rank * rank + 2 * rank), gram_A_{}, gram_B_{} {
    gram_A_.vectors = memory_.data();
    gram_B_.vectors = gram_A_.vectors + rank * rank;
    gram_A_.values = gram_B_.vectors + rank * rank;
    gram_B_.values = gram_A_.values + rank;
  }

  /// Scratch that a decomposition needs, in Wide elements.
  static Index scratch_size(Index rank) { return symmetric_eigen_scratch(rank); }

  /// \name Decompositions, independent of each other
  /// \param gram  A A^T or B^T B, (r, r), both triangles; destroyed.
  /// \return false if an entry is not finite.
  /// \cost about 9 r^3 flops; no heap.
  /// @{
  [[nodiscard]] bool compute_A(Wide* gram, double storage_eps, Wide* scratch) {
    return decompose(gram, storage_eps, scratch, gram_A_);
  }
  [[nodiscard]] bool compute_B(Wide* gram, double storage_eps, Wide* scratch) {
    return decompose(gram, storage_eps, scratch, gram_B_);
  }
  /// @}

  Index rank() const { return rank_; }
  const Spectrum& gram_A() const { return gram_A_; }  ///< of Q = A A^T
  const Spectrum& gram_B() const { return gram_B_; }  ///< of P = B^T B

 private:
  bool decompose(Wide* gram, double storage_eps, Wide* scratch, Spectrum& spectrum) const {
    if (!symmetric_eigen(gram, rank_, spectrum.values, spectrum.vectors, scratch)) return false;
    spectrum.largest = 0;
    for (Index i = 0; i < rank_; ++i) {
      spectrum.values[i] = std::max(spectrum.values[i], 0.0);
      spectrum.largest = std::max(spectrum.largest, spectrum.values[i]);
    }
    spectrum.cutoff = static_cast<Wide>(rank_) * cutoff_epsilon(storage_eps) * spectrum.largest;
    spectrum.rank = 0;
    for (Index i = 0; i < rank_; ++i) spectrum.rank += spectrum.values[i] > spectrum.cutoff;
    return true;
  }

  Index rank_;
  Buffer<Wide> memory_;
  Spectrum gram_A_, gram_B_;
};

LORAPRO_NAMESPACE_END

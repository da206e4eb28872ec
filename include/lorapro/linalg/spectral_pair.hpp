// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/buffer.hpp>
#include <lorapro/linalg/batched_eigen.hpp>

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
/// The cutoff is r eps times the largest eigenvalue, eps = max(eps of the wide scalar, eps of the
/// storage type squared): beyond a condition number of about 1 / sqrt(r eps) a factor is treated as
/// rank-deficient.
class SpectralPair {
 public:
  explicit SpectralPair(Index rank)
      : rank_(rank), memory_(2 * rank * rank + 2 * rank), gram_A_{}, gram_B_{} {
    gram_A_.vectors = memory_.data();
    gram_B_.vectors = gram_A_.vectors + rank * rank;
    gram_A_.values = gram_B_.vectors + rank * rank;
    gram_B_.values = gram_A_.values + rank;
    problem_A_.values = gram_A_.values;
    problem_A_.vectors = gram_A_.vectors;
    problem_B_.values = gram_B_.values;
    problem_B_.vectors = gram_B_.vectors;
  }

  /// Scratch that a decomposition needs, in Wide elements.
  static Index scratch_size(Index rank) { return batched_eigen_scratch(rank, 2); }

  /// Decomposes both Gram matrices.
  /// \param gram_A, gram_B  A A^T and B^T B, (r, r), both triangles.
  /// \param scratch         scratch_size(rank) elements.
  /// \return false if an entry is not finite.
  /// \cost about 18 r^3 flops; no heap.
  [[nodiscard]] bool compute(const Wide* gram_A, const Wide* gram_B, double storage_eps,
                             Wide* scratch) {
    set_gram_A(gram_A);
    set_gram_B(gram_B);
    decompose(scratch);
    return conclude(storage_eps);
  }

  /// \name The parts of compute, for decompositions in the company of other pairs'
  /// @{
  /// The matrix must stay where it is until it has been decomposed.
  void set_gram_A(const Wide* gram) { set_gram(gram, problem_A_); }
  void set_gram_B(const Wide* gram) { set_gram(gram, problem_B_); }
  void decompose(Wide* scratch) {
    EigenProblem* const problems[] = {&problem_A_, &problem_B_};
    batched_eigen(problems, 2, rank_, scratch);
  }
  /// What decompose gives to batched_eigen; the caller may, in any company.
  EigenProblem& problem_A() { return problem_A_; }
  EigenProblem& problem_B() { return problem_B_; }
  /// Ranks and cutoffs. \pre Both problems have been decomposed.
  /// \return false if an entry was not finite.
  [[nodiscard]] bool conclude(double storage_eps) {
    const bool settled = problem_A_.state == EigenProblem::State::settled &&
                         problem_B_.state == EigenProblem::State::settled;
    problem_A_.state = problem_B_.state = EigenProblem::State::none;
    if (!settled) return false;
    truncate(storage_eps, gram_A_);
    truncate(storage_eps, gram_B_);
    return true;
  }
  /// @}

  Index rank() const { return rank_; }
  const Spectrum& gram_A() const { return gram_A_; }  ///< of Q = A A^T
  const Spectrum& gram_B() const { return gram_B_; }  ///< of P = B^T B

 private:
  static void set_gram(const Wide* gram, EigenProblem& problem) {
    problem.matrix = gram;
    problem.state = EigenProblem::State::pending;
  }

  void truncate(double storage_eps, Spectrum& spectrum) const {
    spectrum.largest = 0;
    for (Index i = 0; i < rank_; ++i) {
      spectrum.values[i] = (std::max)(spectrum.values[i], 0.0);
      spectrum.largest = (std::max)(spectrum.largest, spectrum.values[i]);
    }
    spectrum.cutoff = static_cast<Wide>(rank_) * cutoff_epsilon(storage_eps) * spectrum.largest;
    spectrum.rank = 0;
    for (Index i = 0; i < rank_; ++i) spectrum.rank += spectrum.values[i] > spectrum.cutoff;
  }

  Index rank_;
  Buffer<Wide> memory_;
  Spectrum gram_A_, gram_B_;
  EigenProblem problem_A_, problem_B_;
};

LORAPRO_NAMESPACE_END

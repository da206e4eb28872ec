// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/gauge.hpp>
#include <lorapro/linalg/gram.hpp>
#include <lorapro/linalg/spectral_pair.hpp>

LORAPRO_NAMESPACE_BEGIN

/// What became of a pair.
enum class AdjustStatus {
  ok,
  rank_deficient,  ///< a Gram matrix lost rank: the answer is the projection on what survives
  non_finite,      ///< a gradient or a parameter is NaN or infinite: nothing was written
  overflow         ///< finite, but the result would not fit the scalar: nothing was written
};

/// Numbers that a user may want to see about one adjustment.
struct AdjustReport {
  AdjustStatus status = AdjustStatus::ok;
  Index rank_A = 0;     ///< numerical rank of A
  Index rank_B = 0;     ///< numerical rank of B; 0 at the usual start
  double cutoff_A = 0;  ///< eigenvalues of A A^T up to here count as zero
  double cutoff_B = 0;  ///< eigenvalues of B^T B up to here count as zero
  double lambda = 0;    ///< the absolute damping used, rho s^2 (l_max + u_max)

  /// Whether there is a result.
  bool usable() const {
    return status == AdjustStatus::ok || status == AdjustStatus::rank_deficient;
  }
};

/// The adjustment of one pair as four r x r matrices, which is all it takes:
///
///     dA = on_grad_A grad_A + on_A A          dB = grad_B on_grad_B + B on_B
///
/// They are the closed form of min ||s (B dA + dB A) - G||_F^2 + lambda (||dA||_F^2 + ||dB||_F^2)
/// with lambda = rho s^2 (l_max + u_max). With P = V diag(l) V^T and Q = U diag(u) U^T,
///
///     on_grad_A = (s^2 P + lambda)^-1    on_A = -s^2 V [(V^T grad_A A^T U)_ij t_i d_ij] U^T
///     on_grad_B = (s^2 Q + lambda)^-1    on_B = -s^2 V [(V^T B^T grad_B U)_ij q_j d_ij] U^T
///     t_i = 1 / (s^2 l_i + lambda)   q_j = 1 / (s^2 u_j + lambda)
///     d_ij = 1 / (s^2 (l_i + u_j) + lambda)
///
/// each term zero where its eigenvalue is below the relative cutoff, then shifted to the gauge.
/// Both r x r products of a gradient are used, each in the term of its own side. They are equal in
/// exact arithmetic; in floating point each cancels the rounding noise of its own gradient. Where
/// the rank equals a side of W, using one for both would divide that noise by the smallest
/// eigenvalue (measured in float at cond(B) = 1e4: 1,000 times the error); elsewhere noise outside
/// the row space dominates and the gain is small.
/// \ref arXiv:2407.18242v3, Theorems 2.1 and 2.3; the damped form and the cutoff are the library's.
class AdjustCoefficients {
 public:
  explicit AdjustCoefficients(Index rank) : rank_(rank), memory_(6 * rank * rank + 2 * rank) {}

  /// Scratch that compute needs, in Wide elements.
  static Index scratch_size(Index rank) { return rank * rank; }

  /// \param spectra    of the pair's Gram matrices.
  /// \param cross_A    grad_A A^T, (r, r) row-major.
  /// \param cross_B    grad_B^T B, (r, r) row-major (the transpose of B^T grad_B).
  /// \param scaling    s.
  /// \param damping    rho >= 0, relative to s^2 (l_max + u_max).
  /// \param grad_scale the gradients, cross_A and cross_B included, are multiplied by it.
  /// \return false if a coefficient is not finite.
  /// \cost 20 r^3 flops in the wide scalar; no heap.
  [[nodiscard]] bool compute(const SpectralPair& spectra, const Wide* cross_A, const Wide* cross_B,
                             double scaling, double damping, Gauge gauge, double grad_scale,
                             Wide* scratch) {
    const Spectrum& p = spectra.gram_B();
    const Spectrum& q = spectra.gram_A();
    const Index r = rank_;
    const Wide s2 = scaling * scaling;
    lambda_ = damping * s2 * (p.largest + q.largest);
    Wide* const t = memory_.data() + 6 * r * r;
    Wide* const u = t + r;
    for (Index i = 0; i < r; ++i) t[i] = inverse(p.values[i], p.cutoff, s2);
    for (Index j = 0; j < r; ++j) u[j] = inverse(q.values[j], q.cutoff, s2);

    // In the eigenbases: core_A[i][j] = V^T cross_A U, core_B[j][i] = U^T cross_B V.
    Wide* const core_A = memory_.data() + 4 * r * r;
    Wide* const core_B = memory_.data() + 5 * r * r;
    rotate(p.vectors, cross_A, q.vectors, core_A, scratch);
    rotate(q.vectors, cross_B, p.vectors, core_B, scratch);

    const Wide sum_cutoff = p.cutoff + q.cutoff;
    for (Index i = 0; i < r; ++i)
      for (Index j = 0; j < r; ++j) {
        const Wide l = p.values[i], w = q.values[j];
        const Wide ka = core_A[i * r + j] * grad_scale, kb = core_B[j * r + i] * grad_scale;
        const Wide d = inverse(l + w, sum_cutoff, s2);
        Wide on_A = -s2 * ka * t[i] * d;
        Wide on_B = -s2 * kb * u[j] * d;
        if (gauge == Gauge::zero) {
          on_B += on_A;
          on_A = 0;
        } else if (gauge == Gauge::balanced) {
          // X = -(1/2) (P + lambda/s^2)^-1 B^T (B dA - dB A) A^T (Q + lambda/s^2)^-1.
          const Wide dA_At = t[i] * ka + on_A * w;
          const Wide Bt_dB = kb * u[j] + l * on_B;
          const Wide shift = -0.5 * (s2 * t[i]) * (l * dA_At - Bt_dB * w) * (s2 * u[j]);
          on_A += shift;
          on_B -= shift;
        }
        core_A[i * r + j] = on_A;
        core_B[j * r + i] = on_B;
      }
    conditioning_ = (std::max)(largest(t) * (s2 * p.largest + lambda_),
                               largest(u) * (s2 * q.largest + lambda_));
    for (Index i = 0; i < r; ++i) t[i] *= grad_scale;
    for (Index j = 0; j < r; ++j) u[j] *= grad_scale;
    restore(p.vectors, core_A, q.vectors, mutable_on_A(), scratch);
    restore(q.vectors, core_B, p.vectors, mutable_on_B(), scratch);
    symmetric(p.vectors, t, mutable_on_grad_A(), scratch);
    symmetric(q.vectors, u, mutable_on_grad_B(), scratch);
    return all_finite(memory_.data(), 4 * r * r);
  }

  /// Multiplies what they give by `factor` (clipping).
  void scale(double factor) {
    for (Index k = 0; k < 4 * rank_ * rank_; ++k) memory_[k] *= factor;
  }

  Index rank() const { return rank_; }
  double lambda() const { return lambda_; }
  /// Largest over smallest eigenvalue that is inverted, the larger of both sides: the square of a
  /// factor's condition number without damping, at most (1 + rho) / rho with it.
  double conditioning() const { return conditioning_; }
  const Wide* on_grad_A() const { return memory_.data(); }             ///< (r, r)
  const Wide* on_A() const { return memory_.data() + rank_ * rank_; }  ///< (r, r)
  /// The transposes of the two right factors, so that dB^T = on_grad_B grad_B^T + on_B B^T.
  const Wide* on_grad_B() const { return memory_.data() + 2 * rank_ * rank_; }
  const Wide* on_B() const { return memory_.data() + 3 * rank_ * rank_; }

 private:
  Wide largest(const Wide* values) const { return *std::max_element(values, values + rank_); }

  Wide* mutable_on_grad_A() { return memory_.data(); }
  Wide* mutable_on_A() { return memory_.data() + rank_ * rank_; }
  Wide* mutable_on_grad_B() { return memory_.data() + 2 * rank_ * rank_; }
  Wide* mutable_on_B() { return memory_.data() + 3 * rank_ * rank_; }

  /// 1 / (s^2 value + lambda), or 0 where s^2 value + lambda is not above s^2 cutoff.
  Wide inverse(Wide value, Wide cutoff, Wide s2) const {
    const Wide denominator = s2 * value + lambda_;
    return denominator > s2 * cutoff ? 1 / denominator : 0;
  }

  /// out = left middle right^T.
  void rotate(const Wide* left, const Wide* middle, const Wide* right, Wide* out,
              Wide* scratch) const {
    const Index r = rank_;
    std::fill(scratch, scratch + r * r, 0.0);
    panel_dots(middle, r, r, right, r, r, r, scratch, r, 1);
    panel_product(left, r, 1, r, r, scratch, r, r, out, r, false);
  }

  /// out = left^T middle right.
  void restore(const Wide* left, const Wide* middle, const Wide* right, Wide* out,
               Wide* scratch) const {
    const Index r = rank_;
    panel_product(middle, r, 1, r, r, right, r, r, scratch, r, false);
    panel_product(left, 1, r, r, r, scratch, r, r, out, r, false);
  }

  /// out = vectors^T diag(values) vectors.
  void symmetric(const Wide* vectors, const Wide* values, Wide* out, Wide* scratch) const {
    const Index r = rank_;
    for (Index i = 0; i < r; ++i)
      for (Index j = 0; j < r; ++j) scratch[i * r + j] = values[i] * vectors[i * r + j];
    panel_product(vectors, 1, r, r, r, scratch, r, r, out, r, false);
  }

  Index rank_;
  Buffer<Wide> memory_;  // the four results, the two cores, the two diagonals
  Wide lambda_ = 0;
  Wide conditioning_ = 0;
};

LORAPRO_NAMESPACE_END

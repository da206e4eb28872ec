// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/damping.hpp>
#include <lorapro/adjust/gauge.hpp>
#include <lorapro/linalg/gram.hpp>

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
  Dampings lambda;      ///< the absolute dampings used

  /// Whether there is a result.
  bool usable() const {
    return status == AdjustStatus::ok || status == AdjustStatus::rank_deficient;
  }
};

/// The adjustment of one pair as four r x r matrices, which is all it takes:
///
///     dA = on_grad_A grad_A + on_A A          dB = grad_B on_grad_B + B on_B
///
/// They are the closed form of
///
///     min ||s (B dA + dB A) - G||_F^2 + lambda_A ||dA||_F^2 + lambda_B ||dB||_F^2
///
/// With P = V diag(l) V^T and Q = U diag(u) U^T,
///
///     on_grad_A = (s^2 P + lambda_A)^-1
///     on_grad_B = (s^2 Q + lambda_B)^-1
///     on_A = -s^2 V [(V^T grad_A A^T U)_ij t_i lambda_A d_ij] U^T
///     on_B = -s^2 V [(V^T B^T grad_B U)_ij q_j lambda_B d_ij] U^T
///     t_i = 1 / (s^2 l_i + lambda_A)        q_j = 1 / (s^2 u_j + lambda_B)
///     d_ij = 1 / (lambda_B s^2 l_i + lambda_A s^2 u_j + lambda_A lambda_B)
///
/// For lambda_A = lambda_B = lambda, lambda d_ij is 1 / (s^2 (l_i + u_j) + lambda): the limit for
/// lambda -> 0, theorem 2.3, is what is computed without damping. Each term is zero where its
/// eigenvalue is below the relative cutoff; then all is shifted to the gauge.
///
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
  /// \param lambda     >= 0 each; both 0 is the undamped form.
  /// \param grad_scale the gradients, cross_A and cross_B included, are multiplied by it.
  /// \return false if a coefficient is not finite.
  /// \cost 20 r^3 flops in the wide scalar; no heap.
  [[nodiscard]] bool compute(const SpectralPair& spectra, const Wide* cross_A, const Wide* cross_B,
                             double scaling, const Dampings& lambda, Gauge gauge, double grad_scale,
                             Wide* scratch) {
    const Spectrum& p = spectra.gram_B();
    const Spectrum& q = spectra.gram_A();
    const Index r = rank_;
    const Wide s2 = scaling * scaling;
    lambda_ = lambda;
    Wide* const t = memory_.data() + 6 * r * r;
    Wide* const u = t + r;
    for (Index i = 0; i < r; ++i) t[i] = inverse(p.values[i], p, s2, lambda.A);
    for (Index j = 0; j < r; ++j) u[j] = inverse(q.values[j], q, s2, lambda.B);

    // In the eigenbases: core_A[i][j] = V^T cross_A U, core_B[j][i] = U^T cross_B V.
    Wide* const core_A = memory_.data() + 4 * r * r;
    Wide* const core_B = memory_.data() + 5 * r * r;
    rotate(p.vectors, cross_A, q.vectors, core_A, scratch);
    rotate(q.vectors, cross_B, p.vectors, core_B, scratch);

    const bool damped = lambda.A > 0 || lambda.B > 0;
    const Wide sum_cutoff = p.cutoff + q.cutoff;
    for (Index i = 0; i < r; ++i)
      for (Index j = 0; j < r; ++j) {
        const Wide l = p.values[i], w = q.values[j];
        const Wide ka = core_A[i * r + j] * grad_scale, kb = core_B[j * r + i] * grad_scale;
        Wide on_A, on_B;
        if (damped) {
          // lambda_A d = q lambda_A / (lambda_A + s^2 l lambda_B q): no product of dampings, which
          // could underflow.
          const Wide p_lambda = s2 * l * lambda.B * u[j], q_lambda = s2 * w * lambda.A * t[i];
          on_A = lambda.A > 0 ? -s2 * ka * t[i] * u[j] * (lambda.A / (lambda.A + p_lambda)) : 0;
          on_B = lambda.B > 0 ? -s2 * kb * t[i] * u[j] * (lambda.B / (lambda.B + q_lambda)) : 0;
        } else {
          const Wide d = l + w > sum_cutoff ? 1 / (s2 * (l + w)) : 0;
          on_A = -s2 * ka * t[i] * d;
          on_B = -s2 * kb * u[j] * d;
        }
        if (gauge == Gauge::zero) {
          on_B += on_A;
          on_A = 0;
        } else if (gauge == Gauge::balanced) {
          // X = -(1/2) (P + lambda_A/s^2)^-1 B^T (B dA - dB A) A^T (Q + lambda_B/s^2)^-1.
          const Wide dA_At = t[i] * ka + on_A * w;
          const Wide Bt_dB = kb * u[j] + l * on_B;
          const Wide shift = -0.5 * (s2 * t[i]) * (l * dA_At - Bt_dB * w) * (s2 * u[j]);
          on_A += shift;
          on_B -= shift;
        }
        core_A[i * r + j] = on_A;
        core_B[j * r + i] = on_B;
      }
    conditioning_ = (std::max)(largest(t) * (s2 * p.largest + lambda.A),
                               largest(u) * (s2 * q.largest + lambda.B));
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
  const Dampings& lambda() const { return lambda_; }
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

  /// 1 / (s^2 value + lambda), or 0 where s^2 value + lambda is not above s^2 cutoff. Of a factor
  /// of zeros, whose gradient is zero, it is 0 whatever lambda: that could be as small as it likes.
  static Wide inverse(Wide value, const Spectrum& of, Wide s2, Wide lambda) {
    const Wide denominator = s2 * value + lambda;
    return of.largest > 0 && denominator > s2 * of.cutoff ? 1 / denominator : 0;
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
  Dampings lambda_;
  Wide conditioning_ = 0;
};

LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/damping.hpp>
#include <lorapro/adjust/side_coefficients.hpp>

LORAPRO_NAMESPACE_BEGIN

/// What gradients are adjusted with.
struct Adjustment {
  double scaling = 1;  ///< s
  Dampings lambda;     ///< >= 0 each; both 0 is the undamped form
  Gauge gauge = Gauge::sylvester;
  double grad_scale = 1;  ///< multiplies the gradients, and with them their products
  Dampings limit{1, 1};   ///< lambda_A : lambda_B where both go to 0; > 0
};

/// The adjustment of one pair as four r x r matrices, which is all it takes:
///
///     dA = A.on_grad grad_A + A.on_factor A          dB^T = B.on_grad grad_B^T + B.on_factor B^T
///
/// They are the closed form of
///
///     min ||s (B dA + dB A) - G||_F^2 + lambda_A ||dA||_F^2 + lambda_B ||dB||_F^2
///
/// With P = V diag(l) V^T and Q = U diag(u) U^T,
///
///     A.on_grad = (s^2 P + lambda_A)^-1 = V diag(t) V^T
///     B.on_grad = (s^2 Q + lambda_B)^-1 = U diag(q) U^T
///     A.on_factor   = V [-s^2 (V^T grad_A A^T U)_ij t_i lambda_A d_ij] U^T
///     B.on_factor^T = V [-s^2 (V^T B^T grad_B U)_ij q_j lambda_B d_ij] U^T
///     t_i = 1 / (s^2 l_i + lambda_A)        q_j = 1 / (s^2 u_j + lambda_B)
///     d_ij = 1 / (lambda_B s^2 l_i + lambda_A s^2 u_j + lambda_A lambda_B)
///
/// Without damping the limit for lambda_A = lambda w_A, lambda_B = lambda w_B and lambda -> 0 is
/// computed, lambda_A d_ij = w_A / (s^2 (w_B l_i + w_A u_j)) and its like: theorem 2.3 for w_A = w_B.
/// Each term is zero where its eigenvalue is below the relative cutoff; then all is shifted to the
/// gauge.
///
/// Both r x r products of a gradient are used, each in the term of its own side. They are equal in
/// exact arithmetic; in floating point each cancels the rounding noise of its own gradient. Where
/// the rank equals a side of W, using one for both would divide that noise by the smallest
/// eigenvalue (measured in float at cond(B) = 1e4: 1,000 times the error); elsewhere noise outside
/// the row space dominates and the gain is small.
/// \ref arXiv:2407.18242v3, Theorems 2.1 and 2.3; the damped form and the cutoff are the library's.
class AdjustCoefficients {
 public:
  explicit AdjustCoefficients(Index rank)
      : rank_(rank), arena_(2 * OwnedCoefficients::size(rank) + 2 * square_size(rank) + 2 * rank) {
    for (OwnedCoefficients& side : sides_) side = OwnedCoefficients::in(arena_, rank);
    for (Square& core : cores_) core = arena_.square(rank);
    t_ = arena_.vector(rank);
    q_ = arena_.vector(rank);
    arena_.close();
  }

  /// Scratch that compute needs, in Wide elements.
  static Index scratch_size(Index rank) { return square_size(rank); }

  /// \param spectra  of the pair's Gram matrices.
  /// \param cross    grad_A A^T, and grad_B^T B (the transpose of B^T grad_B).
  /// \return false if a coefficient is not finite.
  /// \cost 20 r^3 flops in the wide scalar; no heap.
  [[nodiscard]] bool compute(const SpectralPair& spectra, const PerSide<ConstSquare>& cross,
                             const Adjustment& with, Workspace scratch) {
    const Spectrum &P = spectra.P(), &Q = spectra.Q();
    const ConstSquare V_t = P.vectors, U_t = Q.vectors;
    const Wide s2 = with.scaling * with.scaling;
    const Wide cutoff = with.limit.B * P.cutoff + with.limit.A * Q.cutoff;
    lambda_ = with.lambda;
    for (Index i = 0; i < rank_; ++i) t_[i] = inverse(P.values[i], P, s2, lambda_.A);
    for (Index j = 0; j < rank_; ++j) q_[j] = inverse(Q.values[j], Q, s2, lambda_.B);

    rotate(V_t, cross.A, U_t, cores_.A, scratch);
    rotate(U_t, cross.B, V_t, cores_.B, scratch);
    for (Index i = 0; i < rank_; ++i)
      for (Index j = 0; j < rank_; ++j) {
        const PerSide<Wide> core{cores_.A(i, j) * with.grad_scale,
                                 cores_.B(j, i) * with.grad_scale};
        const Eigenvalues at{P.values[i], Q.values[j], t_[i], q_[j]};
        PerSide<Wide> on_factor = lambda_.A > 0 || lambda_.B > 0
                                      ? damped(core, at, s2)
                                      : undamped(core, at, s2, with.limit, cutoff);
        shift(with.gauge, core, at, s2, on_factor);
        cores_.A(i, j) = on_factor.A;
        cores_.B(j, i) = on_factor.B;
      }
    conditioning_ = (std::max)(largest(t_) * (s2 * P.largest + lambda_.A),
                               largest(q_) * (s2 * Q.largest + lambda_.B));
    for (Index i = 0; i < rank_; ++i) t_[i] *= with.grad_scale;
    for (Index j = 0; j < rank_; ++j) q_[j] *= with.grad_scale;
    restore(V_t, cores_.A, U_t, sides_.A.on_factor, scratch);
    restore(U_t, cores_.B, V_t, sides_.B.on_factor, scratch);
    from_eigenbasis(sides_.A.on_grad, V_t, t_, scratch);
    from_eigenbasis(sides_.B.on_grad, U_t, q_, scratch);
    return all_finite(sides_.A.on_grad) && all_finite(sides_.A.on_factor) &&
           all_finite(sides_.B.on_grad) && all_finite(sides_.B.on_factor);
  }

  /// Multiplies what they give by `factor` (clipping).
  void scale(double factor) {
    for (const OwnedCoefficients& side : sides_) side.scale(factor);
  }

  Index rank() const { return rank_; }
  const Dampings& lambda() const { return lambda_; }
  /// Largest over smallest eigenvalue that is inverted, the larger of both sides: the square of a
  /// factor's condition number without damping, at most (1 + rho) / rho with it.
  double conditioning() const { return conditioning_; }
  SideCoefficients operator[](Side side) const { return sides_[side]; }

 private:
  /// Of the i-th direction of B and the j-th of A: l_i, u_j, t_i and q_j.
  struct Eigenvalues {
    Wide l, u, t, q;
  };

  /// lambda_A d_ij = q_j lambda_A / (lambda_A + s^2 l_i lambda_B q_j), and likewise of the other
  /// side: no product of dampings, which could underflow.
  PerSide<Wide> damped(const PerSide<Wide>& core, const Eigenvalues& at, Wide s2) const {
    const Wide along_A = s2 * at.l * lambda_.B * at.q, along_B = s2 * at.u * lambda_.A * at.t;
    PerSide<Wide> on_factor;
    if (lambda_.A > 0)
      on_factor.A = -s2 * core.A * at.t * at.q * (lambda_.A / (lambda_.A + along_A));
    if (lambda_.B > 0)
      on_factor.B = -s2 * core.B * at.t * at.q * (lambda_.B / (lambda_.B + along_B));
    return on_factor;
  }

  /// The limit for (lambda_A, lambda_B) = lambda w, lambda -> 0.
  static PerSide<Wide> undamped(const PerSide<Wide>& core, const Eigenvalues& at, Wide s2,
                                const Dampings& w, Wide cutoff) {
    const Wide sum = w.B * at.l + w.A * at.u;
    const Wide d = sum > cutoff ? 1 / (s2 * sum) : 0;
    return {-s2 * core.A * at.t * (w.A * d), -s2 * core.B * at.q * (w.B * d)};
  }

  /// From the Sylvester gauge to another one.
  static void shift(Gauge gauge, const PerSide<Wide>& core, const Eigenvalues& at, Wide s2,
                    PerSide<Wide>& on_factor) {
    if (gauge == Gauge::zero) {
      on_factor.B += on_factor.A;
      on_factor.A = 0;
    } else if (gauge == Gauge::balanced) {
      // X = -(1/2) (P + lambda_A/s^2)^-1 B^T (B dA - dB A) A^T (Q + lambda_B/s^2)^-1.
      const Wide dA_At = at.t * core.A + on_factor.A * at.u;
      const Wide Bt_dB = core.B * at.q + at.l * on_factor.B;
      const Wide X = -0.5 * (s2 * at.t) * (at.l * dA_At - Bt_dB * at.u) * (s2 * at.q);
      on_factor.A += X;
      on_factor.B -= X;
    }
  }

  Wide largest(const Wide* values) const { return *std::max_element(values, values + rank_); }

  /// 1 / (s^2 value + lambda), or 0 where s^2 value + lambda is not above s^2 cutoff. Of a factor
  /// of zeros, whose gradient is zero, it is 0 whatever lambda: that could be as small as it likes.
  static Wide inverse(Wide value, const Spectrum& of, Wide s2, Wide lambda) {
    const Wide denominator = s2 * value + lambda;
    return of.largest > 0 && denominator > s2 * of.cutoff ? 1 / denominator : 0;
  }

  /// out = V^T a U.
  static void rotate(ConstSquare V_t, ConstSquare a, ConstSquare U_t, Square out,
                     Workspace scratch) {
    const Square a_U = scratch.square(out.order());
    multiply(a_U, a, transposed(U_t));
    multiply(out, V_t, a_U);
  }

  /// out = V a U^T.
  static void restore(ConstSquare V_t, ConstSquare a, ConstSquare U_t, Square out,
                      Workspace scratch) {
    const Square a_U_t = scratch.square(out.order());
    multiply(a_U_t, a, U_t);
    multiply(out, transposed(V_t), a_U_t);
  }

  Index rank_;
  Arena arena_;
  PerSide<OwnedCoefficients> sides_;
  PerSide<Square> cores_;  // in the eigenbases: V^T cross.A U and U^T cross.B V, then on_factor
  Wide *t_, *q_;
  Dampings lambda_;
  Wide conditioning_ = 0;
};

LORAPRO_NAMESPACE_END

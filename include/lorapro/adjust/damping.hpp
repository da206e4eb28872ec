// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/adjust_options.hpp>
#include <lorapro/linalg/arena.hpp>
#include <lorapro/linalg/spectral_pair.hpp>

#include <cmath>  // std::sqrt

LORAPRO_NAMESPACE_BEGIN

/// The absolute dampings lambda_A and lambda_B of a pair's two factors.
using Dampings = PerSide<double>;

/// A damping without a scale. With l_max and u_max the largest eigenvalues of B^T B and A A^T,
///
///     lambda_A = rho s^2 l_max + tau^2 / ||A||_F^2        lambda_B = rho s^2 u_max
///     tau = lr N / (2 kappa)
///
/// while B is the free factor; the term in tau stands with lambda_B, and ||B||_F in it, while A is.
/// Without damping (rho = 0) both are 0.
///
/// What it guarantees. Let H be the direction that is projected, h_i its part along the i-th
/// singular direction of B, a row, and N^2 = sum_i |h_i|^2 l_i / (l_i + rho l_max), which is not
/// above ||P_B H||_F^2. In the eigenbases of B^T B and A A^T, with
/// p_i = s^2 l_i / (s^2 l_i + lambda_A) and w_j likewise of A A^T, each part h_ij inside both
/// spaces gives dA the part x_ij h_ij / (s sqrt(l_i)),
///
///     x = p (1 - w) / (1 - p w)                                        in the Sylvester gauge
///     x = p                                                            in the zero gauge
///     x = p (1 - w) / (1 - p w) - p w (p - w) / (2 (1 - p w))          in the balanced gauge
///
/// all in [0, p] (the last since p + w <= 2), and x = p outside the row space of A. As
/// (s^2 l_i + lambda_A)^2 >= 4 s^2 (l_i + rho l_max) tau^2 / ||A||_F^2,
///
///     lr ||dA||_F <= lr (sum_i |h_i|^2 s^2 l_i / (s^2 l_i + lambda_A)^2)^(1/2)
///                 <= lr N ||A||_F / (2 tau) <= kappa ||A||_F
///
/// whatever B is. Near B = 0 the exact projection moves A by O(1) at every rate. B grows freely
/// from 0, and A frees itself after about 1 / (2 kappa) steps of full size, whatever the rate.
///
/// Every term follows a change of scale: under (s, A, B) -> (k s, a A, b B) with k a b = 1 lambda_A
/// becomes lambda_A / a^2 and lambda_B becomes lambda_B / b^2, dA and dB move as A and B do, and
/// with directions in W coordinates the trajectory of W depends neither on alpha nor on the scale
/// of the factors. Where k, a and b are powers of two nothing rounds otherwise: it is the same to
/// the last bit.
///
/// \param spectra    of the pair, with their cutoffs.
/// \param options    rho = damping, kappa = max_relative_move, lr and the free factor.
/// \param direction  N, or more.
/// \ref the library's own.
inline Dampings scale_free_dampings(const SpectralPair& spectra, double scaling,
                                    const AdjustOptions& options, double direction) {
  Dampings out;
  if (options.damping == 0) return out;
  const double s2 = scaling * scaling;
  out.A = options.damping * s2 * spectra.P().largest;
  out.B = options.damping * s2 * spectra.Q().largest;
  const Side fixed = options.fixed_factor();
  double squared_norm = 0;
  for (Index i = 0; i < spectra.rank(); ++i) squared_norm += spectra.of(fixed).values[i];
  // A factor of zeros has no size to be kept to.
  if (squared_norm > 0) {
    const double tau = options.lr * direction / (2 * options.max_relative_move);
    out[fixed] += tau * tau / squared_norm;
  }
  return out;
}

/// N of scale_free_dampings from what B sees of H, h = s B^T H:
/// N^2 = sum_i (V^T h h^T V)_ii / (s^2 (l_i + rho l_max)). Likewise of h = (s H A^T)^T on the other
/// side. No small eigenvalue is divided by, whose share of h h^T would be rounding noise.
/// \param gram      h h^T.
/// \param spectrum  of B^T B; or of A A^T.
/// \param relative  rho; where it is 0 nothing is bounded, and the result is 0.
/// \param scratch   r^2 elements.
/// \cost 2 r^3 + 2 r^2 flops; no heap.
inline double damped_norm(ConstSquare gram, const Spectrum& spectrum, double scaling,
                          double relative, Workspace scratch) {
  if (!(relative > 0 && spectrum.largest > 0)) return 0;
  const Index r = gram.order();
  const ConstSquare V_t = spectrum.vectors;
  const Square product = scratch.square(r);
  multiply(product, V_t, gram);
  Wide sum = 0;
  for (Index i = 0; i < r; ++i)
    sum += detail::row_dot(product.row(i), V_t.row(i), r) /
           (spectrum.values[i] + relative * spectrum.largest);
  return std::sqrt((std::max)(0.0, sum)) / std::abs(scaling);
}

LORAPRO_NAMESPACE_END

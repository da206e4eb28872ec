// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/tangent_image.hpp>

#include <algorithm>  // std::clamp
#include <cmath>      // std::sqrt

LORAPRO_NAMESPACE_BEGIN

/// A momentum M that moves with the factors, kept as what they see of it:
///
///     exp_avg_A = B^T M   (rank, in_features)        exp_avg_B = M A^T   (out_features, rank)
///
/// They determine its projection on the tangent space, M = B x + y^T A, as the gradients of the
/// factors determine E. Kept so, a step of the factors transports M exactly and without any
/// inverse: exp_avg_A <- B_new^T M, exp_avg_B <- M A_new^T, and the projection on the new tangent
/// space is the next project_to_tangent. What is stored is never larger than ||B|| ||M|| or
/// ||A|| ||M||, however small the singular values, and rounding it costs as much as rounding a
/// gradient does. It also means that a factor which somebody else changes between two steps no
/// longer fits it.
class TangentMomentum {
 public:
  explicit TangentMomentum(Index rank) : coefficients_(rank), arena_(2 * square_size(rank)) {
    for (Square& cross : crosses_) cross = arena_.square(rank);
    arena_.close();
  }

  static Index scratch_size(Index rank) { return AdjustCoefficients::scratch_size(rank); }

  /// x and y from exp_avg_A and exp_avg_B: the projection of M on the tangent space, undamped, with
  /// the relative cutoff of the spectra (the Moore-Penrose limit: B = 0 is no special case). The
  /// rounding in which the two crosses differ is weighted relative to the sizes of the factors, so
  /// that (A / c, c B) has the same M, to the bit where c is a power of two.
  /// \pre Both crosses are filled.
  /// \cost 20 r^3 flops; no heap.
  void project_to_tangent(const SpectralPair& spectra, Workspace scratch) {
    // The zero gauge leaves x without a term in A. Overflow is excluded by the relative cutoff,
    // unless a squared singular value itself leaves the range of double.
    Adjustment undamped;
    undamped.gauge = Gauge::zero;
    const Wide l = spectra.P().largest, u = spectra.Q().largest;
    // Any weights will do for factors so far apart that their ratio leaves the range of double.
    const auto weight = [](Wide ratio) { return std::sqrt(std::clamp(ratio, 1e-300, 1e300)); };
    if (l > 0 && u > 0) undamped.limit = {weight(l / u), weight(u / l)};
    (void)coefficients_.compute(spectra, {crosses_.A, crosses_.B}, undamped, scratch);
  }

  /// exp_avg_A A^T, and exp_avg_B^T B.
  Square cross(Side side) const { return crosses_[side]; }
  /// M, on exp_avg_A and exp_avg_B^T.
  const AdjustCoefficients& coefficients() const { return coefficients_; }

 private:
  AdjustCoefficients coefficients_;
  Arena arena_;
  PerSide<Square> crosses_;
};

LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/damping.hpp>

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

LORAPRO_NAMESPACE_END

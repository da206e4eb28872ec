// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/adjust_report.hpp>

#include <cstdint>  // std::int64_t

LORAPRO_NAMESPACE_BEGIN

/// What one Optimizer::step did. A pair or dense parameter that was skipped, is frozen or was left
/// out is as it was before the step: its values, its state and its step count.
struct StepReport {
  Index updated = 0;             ///< pairs and dense parameters
  Index skipped_non_finite = 0;  ///< a gradient or a parameter was NaN or infinite
  Index skipped_overflow = 0;    ///< the update or its second moment would have overflowed
  Index frozen = 0;              ///< Optimizer::freeze: no part of the step
  Index left_out = 0;            ///< Optimizer::leave_out: no part of this step
  Index rank_deficient = 0;      ///< of those updated: a factor had lost rank (B = 0 included)
  double grad_norm = 0;          ///< the norms that clipping measured, over all groups
  double clip_factor = 1;        ///< smallest factor that clipping applied
  double lr_factor = 1;          ///< the schedule's factor in this step
  std::int64_t step = 0;         ///< number of this step, from 1

  /// Pairs and dense parameters that should have been updated and were not: worth a look at the data
  /// or the learning rate where it is not 0.
  Index skipped() const { return skipped_non_finite + skipped_overflow; }

  /// Counts a pair or dense parameter by what became of it.
  void count(AdjustStatus status) {
    switch (status) {
      case AdjustStatus::non_finite:
        ++skipped_non_finite;
        return;
      case AdjustStatus::overflow:
        ++skipped_overflow;
        return;
      case AdjustStatus::rank_deficient:
        ++rank_deficient;
        break;
      case AdjustStatus::ok:
        break;
    }
    ++updated;
  }
};

/// How the gradients handed to one step are scaled.
struct StepScale {
  double loss_scale = 1;  ///< the loss was multiplied by it; gradients are divided by it; > 0
  Index accumulated = 1;  ///< batches whose mean gradient is wanted: also divided by; >= 1
};

LORAPRO_NAMESPACE_END

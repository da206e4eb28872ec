// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/coefficients.hpp>

LORAPRO_NAMESPACE_BEGIN

/// d = on_grad g + on_factor f for panels of a factor f and its gradient g, in the compute scalar.
/// \tparam Scalar  float or double.
template <typename Scalar>
class FactorCombination {
 public:
  explicit FactorCombination(Index rank) : rank_(rank), memory_(2 * rank * rank) {}

  /// Rounds the coefficients to Scalar. \return false if one of them overflows it.
  [[nodiscard]] bool set(const Wide* on_grad, const Wide* on_factor) {
    const Index size = rank_ * rank_;
    bool finite = true;
    for (Index k = 0; k < size; ++k) {
      memory_[k] = static_cast<Scalar>(on_grad[k]);
      memory_[size + k] = static_cast<Scalar>(on_factor[k]);
      finite = finite && is_finite(static_cast<double>(memory_[k])) &&
               is_finite(static_cast<double>(memory_[size + k]));
    }
    return finite;
  }

  /// \param factor, grad  panels (rank, width) with stride kPanelWidth; width from padded_width.
  /// \param[out] out      as they are; must not be one of them.
  /// \cost 4 rank^2 width flops; no heap.
  void apply(const Scalar* factor, const Scalar* grad, Index width, Scalar* out) const {
    const Scalar* const on_factor = memory_.data() + rank_ * rank_;
    panel_product(memory_.data(), rank_, Index{1}, rank_, rank_, grad, kPanelWidth, width, out,
                  kPanelWidth, false);
    panel_product(on_factor, rank_, Index{1}, rank_, rank_, factor, kPanelWidth, width, out,
                  kPanelWidth, true);
  }

 private:
  Index rank_;
  Buffer<Scalar> memory_;
};

LORAPRO_NAMESPACE_END

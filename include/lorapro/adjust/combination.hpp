// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/coefficients.hpp>

LORAPRO_NAMESPACE_BEGIN

/// d = on_grad g + on_factor f for panels of a factor f and its gradient g.
///
/// The products run in Scalar while the pair is well conditioned and in the wide scalar otherwise:
/// coefficients rounded to Scalar would disturb the equivalent gradient by eps times the squared
/// condition number of the factor, while the rounding of inputs and outputs costs eps times the
/// condition number itself. With a damping of 0.01 or more Scalar always suffices.
/// \tparam Scalar  float or double.
template <typename Scalar>
class FactorCombination {
 public:
  explicit FactorCombination(Index rank)
      : rank_(rank), rounded_(2 * rank * rank), wide_(2 * rank * rank) {}

  /// Scratch that apply needs, in Wide elements.
  static Index scratch_size(Index rank) { return 3 * panel_size(rank); }

  /// \name Takes the coefficients of one side, for panels of one layout
  /// \return false if one of them overflows Scalar.
  /// @{
  [[nodiscard]] bool set_A(const AdjustCoefficients& coefficients, const FactorView& lora_A) {
    return set(coefficients.on_grad_A(), coefficients.on_A(), coefficients.conditioning(), lora_A);
  }
  [[nodiscard]] bool set_B(const AdjustCoefficients& coefficients, const FactorView& lora_B) {
    return set(coefficients.on_grad_B(), coefficients.on_B(), coefficients.conditioning(), lora_B);
  }
  /// @}

  /// The same for coefficients of any origin, (rank, rank) each.
  /// \param conditioning  the products run in the wide scalar if it is above about 100.
  [[nodiscard]] bool set(const Wide* on_grad, const Wide* on_factor, double conditioning,
                         const FactorView& factor) {
    constexpr double kWellConditioned = 101;  // (1 + rho) / rho of rho = 0.01
    in_wide_ = !std::is_same_v<Scalar, Wide> && conditioning > kWellConditioned;
    // Position-major panels are multiplied from the right, so by the transposes.
    const bool transpose = PanelLayout(factor).position_major();
    const Index size = rank_ * rank_;
    for (Index i = 0; i < rank_; ++i)
      for (Index k = 0; k < rank_; ++k) {
        const Index from = i * rank_ + k, to = transpose ? k * rank_ + i : from;
        wide_[to] = on_grad[from];
        wide_[size + to] = on_factor[from];
        rounded_[to] = static_cast<Scalar>(on_grad[from]);
        rounded_[size + to] = static_cast<Scalar>(on_factor[from]);
      }
    return all_finite(rounded_.data(), 2 * size);
  }

  /// \param factor, grad  panels of the layout.
  /// \param[out] out      a panel of the layout; must not be one of them.
  /// \param scratch       scratch_size(rank) elements.
  /// \cost 4 rank^2 width flops; no heap.
  void apply(const PanelLayout& layout, Index panel, const Panel<const Scalar>& factor,
             const Panel<const Scalar>& grad, const Panel<Scalar>& out, Wide* scratch) const {
    if (!in_wide_) {
      combine(rounded_.data(), layout, panel, factor, grad, out);
      return;
    }
    const Index size = panel_size(rank_), stride = layout.stride();
    detail::convert_panel(layout, panel, factor, Panel<Wide>{scratch, stride});
    detail::convert_panel(layout, panel, grad, Panel<Wide>{scratch + size, stride});
    const Panel<Wide> result{scratch + 2 * size, stride};
    combine(wide_.data(), layout, panel, Panel<const Wide>{scratch, stride},
            Panel<const Wide>{scratch + size, stride}, result);
    detail::convert_panel(layout, panel, Panel<const Wide>{result.data, stride}, out);
  }

 private:
  template <typename T>
  void combine(const T* coefficients, const PanelLayout& layout, Index panel,
               const Panel<const T>& factor, const Panel<const T>& grad,
               const Panel<T>& out) const {
    const T* const on_factor = coefficients + rank_ * rank_;
    const Index width = layout.width(panel);
    if (layout.position_major()) {
      panel_product_sum({grad.data, grad.stride, coefficients, rank_},
                        {factor.data, factor.stride, on_factor, rank_}, width, rank_, rank_,
                        out.data, out.stride);
    } else {
      panel_product_sum({coefficients, rank_, grad.data, grad.stride},
                        {on_factor, rank_, factor.data, factor.stride}, rank_, rank_, width,
                        out.data, out.stride);
    }
  }

  Index rank_;
  Buffer<Scalar> rounded_;  // on_grad, on_factor
  Buffer<Wide> wide_;       // as they are
  bool in_wide_ = false;
};

LORAPRO_NAMESPACE_END

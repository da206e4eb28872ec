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
  explicit FactorCombination(Index rank) : rank_(rank), rounded_(2 * rank * rank) {}

  /// Scratch that apply needs, in Wide elements.
  static Index scratch_size(Index rank) { return 3 * rank * kPanelWidth; }

  /// \name Takes the coefficients of one side, which must live as long as they are applied
  /// \return false if one of them overflows Scalar.
  /// @{
  [[nodiscard]] bool set_A(const AdjustCoefficients& coefficients) {
    return set(coefficients.on_grad_A(), coefficients.on_A(), coefficients.conditioning());
  }
  [[nodiscard]] bool set_B(const AdjustCoefficients& coefficients) {
    return set(coefficients.on_grad_B(), coefficients.on_B(), coefficients.conditioning());
  }
  /// @}

  /// \param factor, grad  panels (rank, width) with stride kPanelWidth; width from padded_width.
  /// \param[out] out      as they are; must not be one of them.
  /// \param scratch       scratch_size(rank) elements.
  /// \cost 4 rank^2 width flops; no heap.
  void apply(const Scalar* factor, const Scalar* grad, Index width, Scalar* out,
             Wide* scratch) const {
    if (!in_wide_) {
      combine(rounded_.data(), rounded_.data() + rank_ * rank_, factor, grad, width, out);
      return;
    }
    const Index size = rank_ * kPanelWidth;
    convert(factor, width, scratch);
    convert(grad, width, scratch + size);
    combine(on_grad_, on_factor_, scratch, scratch + size, width, scratch + 2 * size);
    convert(scratch + 2 * size, width, out);
  }

 private:
  bool set(const Wide* on_grad, const Wide* on_factor, double conditioning) {
    constexpr double kWellConditioned = 101;  // (1 + rho) / rho of rho = 0.01
    in_wide_ = !std::is_same_v<Scalar, Wide> && conditioning > kWellConditioned;
    on_grad_ = on_grad;
    on_factor_ = on_factor;
    const Index size = rank_ * rank_;
    bool finite = true;
    for (Index k = 0; k < size; ++k) {
      rounded_[k] = static_cast<Scalar>(on_grad[k]);
      rounded_[size + k] = static_cast<Scalar>(on_factor[k]);
      finite = finite && is_finite(static_cast<double>(rounded_[k])) &&
               is_finite(static_cast<double>(rounded_[size + k]));
    }
    return finite;
  }

  template <typename T>
  void combine(const T* on_grad, const T* on_factor, const T* factor, const T* grad, Index width,
               T* out) const {
    panel_product(on_grad, rank_, Index{1}, rank_, rank_, grad, kPanelWidth, width, out,
                  kPanelWidth, false);
    panel_product(on_factor, rank_, Index{1}, rank_, rank_, factor, kPanelWidth, width, out,
                  kPanelWidth, true);
  }

  template <typename From, typename To>
  void convert(const From* from, Index width, To* to) const {
    for (Index k = 0; k < rank_; ++k)
      for (Index i = k * kPanelWidth; i < k * kPanelWidth + width; ++i)
        to[i] = static_cast<To>(from[i]);
  }

  Index rank_;
  Buffer<Scalar> rounded_;
  const Wide* on_grad_ = nullptr;
  const Wide* on_factor_ = nullptr;
  bool in_wide_ = false;
};

LORAPRO_NAMESPACE_END

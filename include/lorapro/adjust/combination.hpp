// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/side_coefficients.hpp>
#include <lorapro/linalg/panel.hpp>

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

  /// Takes the coefficients of one side, for panels of one layout.
  /// \param conditioning  the products run in the wide scalar if it is above about 100.
  /// \return false if one of them overflows Scalar.
  [[nodiscard]] bool set(const SideCoefficients& coefficients, double conditioning,
                         const PanelLayout& layout) {
    constexpr double kWellConditioned = 101;  // (1 + rho) / rho of rho = 0.01
    in_wide_ = !std::is_same_v<Scalar, Wide> && conditioning > kWellConditioned;
    // Position-major panels are multiplied from the right, so by the transposes.
    const bool transpose = layout.position_major();
    const Index size = rank_ * rank_;
    for (Index i = 0; i < rank_; ++i)
      for (Index k = 0; k < rank_; ++k) {
        const Index to = transpose ? k * rank_ + i : i * rank_ + k;
        const Wide on_grad = coefficients.on_grad(i, k), on_factor = coefficients.on_factor(i, k);
        wide_[to] = on_grad;
        wide_[size + to] = on_factor;
        rounded_[to] = static_cast<Scalar>(on_grad);
        rounded_[size + to] = static_cast<Scalar>(on_factor);
      }
    return all_finite(rounded_.data(), 2 * size);
  }

  /// \param factor, grad  the panel of each.
  /// \param[out] out      the panel of the result, which must not be one of them.
  /// \param scratch       scratch_size(rank) elements.
  /// \cost 4 rank^2 width flops; no heap.
  void apply(const PanelAt& at, const Panel<const Scalar>& factor, const Panel<const Scalar>& grad,
             const Panel<Scalar>& out, Workspace scratch) const {
    if (!in_wide_) {
      combine(rounded_.data(), at, factor, grad, out);
      return;
    }
    const Index size = panel_size(rank_), stride = at.layout.stride();
    const Panel<Wide> f{scratch.vector(size), stride}, g{scratch.vector(size), stride},
        result{scratch.vector(size), stride};
    detail::convert_panel(at.layout, at.panel, factor, f);
    detail::convert_panel(at.layout, at.panel, grad, g);
    combine<Wide>(wide_.data(), at, read_only(f), read_only(g), result);
    detail::convert_panel(at.layout, at.panel, read_only(result), out);
  }

 private:
  template <typename T>
  void combine(const T* coefficients, const PanelAt& at, const Panel<const T>& factor,
               const Panel<const T>& grad, const Panel<T>& out) const {
    const T* const on_factor = coefficients + rank_ * rank_;
    const Index width = at.layout.width(at.panel);
    if (at.layout.position_major()) {
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

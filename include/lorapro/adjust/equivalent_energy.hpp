// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/tangent_momentum.hpp>

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// Upper triangular R with R^T R = S for a positive semi-definite S, up to rounding: pivots that
/// are rounding noise of their diagonal entry count as zero.
/// \param[in,out] matrix  (size, size), both triangles; R on return. \cost size^3 / 3 flops.
inline void semidefinite_root(Index size, Wide* matrix) {
  const Wide noise = 4 * static_cast<Wide>(size) * std::numeric_limits<Wide>::epsilon();
  for (Index k = 0; k < size; ++k) {
    Wide* const row = matrix + k * size;
    const Wide diagonal = row[k];
    for (Index i = 0; i < k; ++i) {
      const Wide* const above = matrix + i * size;
      const Wide factor = above[k];
      for (Index j = k; j < size; ++j) row[j] -= factor * above[j];
      row[i] = 0;
    }
    const Wide scale = row[k] > noise * diagonal ? 1 / std::sqrt(row[k]) : 0;
    for (Index j = k; j < size; ++j) row[j] *= scale;
  }
}

}  // namespace detail

/// Row and column energies of the equivalent gradient E = s (B dA + dB A), the sums of squares of
/// its rows and columns, exact and without forming it. A column is B^T's part and the rest,
///
///     ||E_j||^2 = ||P^-1/2 (B^T E)_j||^2 + ||(I - P_B) s dB A_j||^2
///
/// both of the form ||C g_j + D F_j||^2 with r x r matrices, hence never negative; rows likewise.
/// \tparam Scalar  float or double: the scalar of the panels.
template <typename Scalar>
class EquivalentEnergy {
 public:
  explicit EquivalentEnergy(Index rank)
      : rank_(rank),
        memory_(3 * rank * rank),
        inside_A_(rank),
        inside_B_(rank),
        outside_A_(rank * rank),
        outside_B_(rank * rank) {}

  /// Scratch that compute needs, in Wide elements.
  static Index scratch_size(Index rank) { return rank * rank; }

  /// \param solver  of the pair, after solve(..., with_norm = true).
  /// \param image   B^T E and (E A^T)^T on the gradients.
  /// \cost 24 r^3 flops; no heap.
  void compute(const PairFactors& pair, const PairSolver& solver, const TangentImage& image,
               Wide* scratch) {
    const AdjustCoefficients& c = solver.coefficients();
    const SpectralPair& spectra = solver.spectra();
    side(pair.lora_A, spectra.gram_B(), image.on_grad_A(), image.on_A(), c.on_grad_B(),
         solver.cross_B(), solver.grad_gram_B(), pair.scaling, c.conditioning(), inside_A_,
         outside_A_.data(), scratch);
    side(pair.lora_B, spectra.gram_A(), image.on_grad_B(), image.on_B(), c.on_grad_A(),
         solver.cross_A(), solver.grad_gram_A(), pair.scaling, c.conditioning(), inside_B_,
         outside_B_.data(), scratch);
  }

  /// \name Energies of the columns (side A) and rows (side B) of E at the positions of a panel
  /// \param factor, grad  panels of the layout that compute saw.
  /// \param[out] energies panel_width elements.
  /// \param panels        panel_size(rank) elements.
  /// \param scratch       FactorCombination::scratch_size(rank) elements.
  /// \cost 6 r^2 width flops; no heap.
  /// @{
  void apply_A(const PanelLayout& layout, Index panel, const Panel<const Scalar>& factor,
               const Panel<const Scalar>& grad, Scalar* energies, Scalar* panels,
               Wide* scratch) const {
    apply(inside_A_, outside_A_.data(), layout, panel, factor, grad, energies, panels, scratch);
  }
  void apply_B(const PanelLayout& layout, Index panel, const Panel<const Scalar>& factor,
               const Panel<const Scalar>& grad, Scalar* energies, Scalar* panels,
               Wide* scratch) const {
    apply(inside_B_, outside_B_.data(), layout, panel, factor, grad, energies, panels, scratch);
  }
  /// @}

 private:
  /// \param other        spectrum of the other side's factor.
  /// \param on_grad, on_factor  the image on this side; other_* are the other side's.
  void side(const FactorView& factor, const Spectrum& other, const Wide* on_grad,
            const Wide* on_factor, const Wide* other_on_grad, const Wide* other_cross,
            const Wide* other_grad_gram, double scaling, double conditioning,
            FactorCombination<Scalar>& inside, Scalar* outside, Wide* scratch) {
    const Index r = rank_, size = r * r;
    Wide* const roots = memory_.data();  // diag(1 / sqrt(l)) V^T
    for (Index i = 0; i < r; ++i) {
      const Wide root = other.values[i] > other.cutoff ? 1 / std::sqrt(other.values[i]) : 0;
      for (Index k = 0; k < r; ++k) roots[i * r + k] = root * other.vectors[i * r + k];
    }
    Wide* const first = memory_.data() + size;
    Wide* const second = first + size;
    panel_product(roots, r, Index{1}, r, r, on_grad, r, r, first, r, false);
    panel_product(roots, r, Index{1}, r, r, on_factor, r, r, second, r, false);
    // Coefficients fit: prepare has bounded what they give.
    (void)inside.set(first, second, conditioning, factor);

    // dB = grad_B T + B (...), of which (I - P_B) leaves (I - P_B) grad_B T: its Gram matrix is
    // T (grad_B^T grad_B - c P^-1 c^T) T with c = grad_B^T B.
    std::fill(first, first + size, 0.0);
    panel_dots(other_cross, r, r, roots, r, r, r, first, r, Index{1});
    std::copy_n(other_grad_gram, size, second);
    for (Index k = 0; k < size; ++k) scratch[k] = -first[k];
    panel_dots(scratch, r, r, first, r, r, r, second, r, Index{1});
    panel_product(other_on_grad, r, Index{1}, r, r, second, r, r, first, r, false);
    std::fill(second, second + size, 0.0);
    panel_dots(first, r, r, other_on_grad, r, r, r, second, r, Index{1});
    detail::semidefinite_root(r, second);
    const bool transpose = PanelLayout(factor).position_major();
    for (Index i = 0; i < r; ++i)
      for (Index k = 0; k < r; ++k)
        outside[transpose ? k * r + i : i * r + k] =
            static_cast<Scalar>(std::abs(scaling) * second[i * r + k]);
  }

  void apply(const FactorCombination<Scalar>& inside, const Scalar* outside,
             const PanelLayout& layout, Index panel, const Panel<const Scalar>& factor,
             const Panel<const Scalar>& grad, Scalar* energies, Scalar* panels,
             Wide* scratch) const {
    const Index r = rank_, width = layout.width(panel);
    const Panel<Scalar> part{panels, layout.stride()};
    std::fill(energies, energies + width, Scalar(0));
    inside.apply(layout, panel, factor, grad, part, scratch);
    add_squares(layout, panel, part, energies);
    if (layout.position_major()) {
      panel_product(factor.data, factor.stride, Index{1}, width, r, outside, r, r, part.data,
                    part.stride, false);
    } else {
      panel_product(outside, r, Index{1}, r, r, factor.data, factor.stride, width, part.data,
                    part.stride, false);
    }
    add_squares(layout, panel, part, energies);
  }

  /// energies[j] += ||position j||^2.
  static void add_squares(const PanelLayout& layout, Index panel, const Panel<Scalar>& values,
                          Scalar* energies) {
    for (Index i = 0; i < layout.rows(panel); ++i) {
      const Scalar* const row = values.data + i * values.stride;
      if (layout.position_major()) {
        for (Index k = 0; k < layout.rank(); ++k) energies[i] += row[k] * row[k];
      } else {
        for (Index j = 0; j < layout.width(panel); ++j) energies[j] += row[j] * row[j];
      }
    }
  }

  Index rank_;
  Buffer<Wide> memory_;
  FactorCombination<Scalar> inside_A_, inside_B_;
  Buffer<Scalar> outside_A_, outside_B_;  // laid out for the panels
};

LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/pair_solver.hpp>

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
/// both squares of r x r products, hence never negative; rows likewise.
/// \tparam Scalar  float or double: the scalar of the panels.
template <typename Scalar>
class EquivalentEnergy {
 public:
  explicit EquivalentEnergy(Index rank)
      : rank_(rank), memory_(3 * rank * rank), side_A_(2 * rank * rank), side_B_(2 * rank * rank) {}

  /// Scratch that compute needs, in Wide elements.
  static Index scratch_size(Index rank) { return rank * rank; }

  /// \param solver  of the pair, after solve(..., with_norm = true).
  /// \cost 20 r^3 flops; no heap.
  void compute(const PairFactors& pair, const PairSolver& solver, Wide* scratch) {
    const AdjustCoefficients& c = solver.coefficients();
    const SpectralPair& spectra = solver.spectra();
    side(pair.lora_A, spectra.gram_B(), c.on_grad_B(), solver.cross_B(), solver.grad_gram_B(),
         pair.scaling, side_A_.data(), scratch);
    side(pair.lora_B, spectra.gram_A(), c.on_grad_A(), solver.cross_A(), solver.grad_gram_A(),
         pair.scaling, side_B_.data(), scratch);
  }

  /// \name Energies of the columns (side A) and rows (side B) of E at the positions of a panel
  /// \param factor        panel of A or B^T, laid out as compute saw it.
  /// \param seen          the same of B^T E or (E A^T)^T.
  /// \param[out] energies panel_width elements.
  /// \param part          panel_size(rank) elements of scratch.
  /// \cost 4 r^2 width flops; no heap.
  /// @{
  void apply_A(const PanelLayout& layout, Index panel, const Panel<const Scalar>& factor,
               const Panel<const Scalar>& seen, Scalar* energies, Scalar* part) const {
    apply(side_A_.data(), layout, panel, factor, seen, energies, part);
  }
  void apply_B(const PanelLayout& layout, Index panel, const Panel<const Scalar>& factor,
               const Panel<const Scalar>& seen, Scalar* energies, Scalar* part) const {
    apply(side_B_.data(), layout, panel, factor, seen, energies, part);
  }
  /// @}

 private:
  /// \param other  spectrum of the other side's factor.
  /// \param out    diag(l)^-1/2 V^T and the root of what (I - P_B) leaves, for panels of `factor`.
  void side(const FactorView& factor, const Spectrum& other, const Wide* other_on_grad,
            const Wide* other_cross, const Wide* other_grad_gram, double scaling, Scalar* out,
            Wide* scratch) {
    const Index r = rank_, size = r * r;
    Wide* const roots = memory_.data();
    Wide* const first = roots + size;
    Wide* const second = first + size;
    for (Index i = 0; i < r; ++i) {
      const Wide root = other.values[i] > other.cutoff ? 1 / std::sqrt(other.values[i]) : 0;
      for (Index k = 0; k < r; ++k) roots[i * r + k] = root * other.vectors[i * r + k];
    }
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
    // Position-major panels are multiplied from the right, so by the transposes.
    const bool transpose = PanelLayout(factor).position_major();
    for (Index i = 0; i < r; ++i)
      for (Index k = 0; k < r; ++k) {
        const Index to = transpose ? k * r + i : i * r + k;
        out[to] = static_cast<Scalar>(roots[i * r + k]);
        out[size + to] = static_cast<Scalar>(std::abs(scaling) * second[i * r + k]);
      }
  }

  void apply(const Scalar* coefficients, const PanelLayout& layout, Index panel,
             const Panel<const Scalar>& factor, const Panel<const Scalar>& seen, Scalar* energies,
             Scalar* part) const {
    std::fill(energies, energies + layout.width(panel), Scalar(0));
    add_squares(coefficients, layout, panel, seen, energies, part);
    add_squares(coefficients + rank_ * rank_, layout, panel, factor, energies, part);
  }

  /// energies[j] += ||coefficients position j||^2.
  void add_squares(const Scalar* coefficients, const PanelLayout& layout, Index panel,
                   const Panel<const Scalar>& values, Scalar* energies, Scalar* part) const {
    const Index r = rank_, width = layout.width(panel), stride = layout.stride();
    if (!layout.position_major()) {
      panel_product(coefficients, r, Index{1}, r, r, values.data, values.stride, width, part,
                    stride, false);
      for (Index i = 0; i < r; ++i)
        for (Index j = 0; j < width; ++j)
          energies[j] += part[i * stride + j] * part[i * stride + j];
      return;
    }
    panel_product(values.data, values.stride, Index{1}, width, r, coefficients, r, r, part, stride,
                  false);
    constexpr Index kChains = 4;  // one would wait for its own additions
    for (Index j = 0; j < width; ++j) {
      const Scalar* const row = part + j * stride;
      Scalar sum[kChains] = {};
      Index k = 0;
      for (; k + kChains <= r; k += kChains) {
        LORAPRO_UNROLL
        for (Index c = 0; c < kChains; ++c) sum[c] += row[k + c] * row[k + c];
      }
      for (; k < r; ++k) sum[0] += row[k] * row[k];
      energies[j] += (sum[0] + sum[1]) + (sum[2] + sum[3]);
    }
  }

  Index rank_;
  Buffer<Wide> memory_;
  Buffer<Scalar> side_A_, side_B_;  // two matrices each, laid out for the panels
};

LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/pair_solver.hpp>

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// Upper triangular R with R^T R = S for a positive semi-definite S, up to rounding: pivots that
/// are rounding noise of their diagonal entry count as zero.
/// \param[in,out] matrix  both triangles; R on return. \cost r^3 / 3 flops.
inline void semidefinite_root(Square matrix) {
  const Index size = matrix.order();
  const Wide noise = 4 * static_cast<Wide>(size) * std::numeric_limits<Wide>::epsilon();
  for (Index k = 0; k < size; ++k) {
    Wide* const row = matrix.row(k);
    const Wide diagonal = row[k];
    for (Index i = 0; i < k; ++i) {
      const Wide* const above = matrix.row(i);
      const Wide factor = above[k];
      for (Index j = k; j < size; ++j) row[j] -= factor * above[j];
      row[i] = 0;
    }
    const Wide scale = row[k] > noise * diagonal ? 1 / std::sqrt(row[k]) : 0;
    for (Index j = k; j < size; ++j) row[j] *= scale;
  }
}

}  // namespace detail

/// One side's part of EquivalentEnergy: two r x r matrices, for panels of that side.
template <typename Scalar>
class SideEnergy {
 public:
  explicit SideEnergy(Index rank) : rank_(rank), matrices_(2 * square_size(rank)) {}

  /// diag(l)^-1/2 V^T, and what of E the projector leaves, a root as in semidefinite_root.
  void set(ConstSquare whiten, ConstSquare rest, const PanelLayout& layout) {
    // Position-major panels are multiplied from the right, so by the transposes.
    const bool transpose = layout.position_major();
    for (Index i = 0; i < rank_; ++i)
      for (Index k = 0; k < rank_; ++k) {
        const Index to = transpose ? k * rank_ + i : i * rank_ + k;
        matrices_[to] = static_cast<Scalar>(whiten(i, k));
        matrices_[square_size(rank_) + to] = static_cast<Scalar>(rest(i, k));
      }
  }

  /// Energies of the columns (side A) or rows (side B) of E at the positions of a panel.
  /// \param factor         panel of A or B^T.
  /// \param seen           panel of B^T E or (E A^T)^T.
  /// \param[out] energies  one for each position.
  /// \param part           panel_size(rank) elements of scratch.
  /// \cost 4 r^2 width flops; no heap.
  void apply(const PanelAt& at, const Panel<const Scalar>& factor, const Panel<const Scalar>& seen,
             Scalar* energies, Scalar* part) const {
    std::fill(energies, energies + at.layout.width(at.panel), Scalar(0));
    add_squares(matrices_.data(), at, seen, energies, part);
    add_squares(matrices_.data() + square_size(rank_), at, factor, energies, part);
  }

 private:
  /// energies[j] += ||matrix position j||^2.
  void add_squares(const Scalar* matrix, const PanelAt& at, const Panel<const Scalar>& values,
                   Scalar* energies, Scalar* part) const {
    const Index r = rank_, width = at.layout.width(at.panel), stride = at.layout.stride();
    if (!at.layout.position_major()) {
      panel_product(matrix, r, Index{1}, r, r, values.data, values.stride, width, part, stride,
                    false);
      for (Index i = 0; i < r; ++i)
        for (Index j = 0; j < width; ++j)
          energies[j] += part[i * stride + j] * part[i * stride + j];
      return;
    }
    panel_product(values.data, values.stride, Index{1}, width, r, matrix, r, r, part, stride,
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
  Buffer<Scalar> matrices_;  // laid out for the panels
};

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
      : sides_{SideEnergy<Scalar>(rank), SideEnergy<Scalar>(rank)} {}

  /// Scratch that compute needs, in Wide elements.
  static Index scratch_size(Index rank) { return 4 * square_size(rank); }

  /// \param solver  of the pair, after solve(..., with_norm = true).
  /// \cost 20 r^3 flops; no heap.
  void compute(const Pair& pair, const PairSolver& solver, Workspace scratch) {
    for (const Side side : kSides) set_side(side, pair, solver, scratch);
  }

  /// The columns of E by A, its rows by B.
  const SideEnergy<Scalar>& operator[](Side side) const { return sides_[side]; }

 private:
  void set_side(Side side, const Pair& pair, const PairSolver& solver, Workspace scratch) {
    const Index r = solver.rank();
    const Spectrum& spectrum = solver.spectra().of(other(side));
    const ConstSquare T = solver.coefficients()[other(side)].on_grad;
    const Square whiten = scratch.square(r), first = scratch.square(r), second = scratch.square(r),
                 negated = scratch.square(r);
    for (Index i = 0; i < r; ++i) {
      const Wide root = spectrum.counts(i) ? 1 / std::sqrt(spectrum.values[i]) : 0;
      for (Index k = 0; k < r; ++k) whiten(i, k) = root * spectrum.vectors(i, k);
    }
    // dB = grad_B T + B (...), of which (I - P_B) leaves (I - P_B) grad_B T: its Gram matrix is
    // T (grad_B^T grad_B - c P^-1 c^T) T with c = grad_B^T B.
    multiply(first, solver.cross(other(side)), transposed(whiten));
    copy(second, solver.grad_gram(other(side)));
    negate(negated, first);
    add_product(second, negated, transposed(first));
    multiply(first, T, second);
    multiply(second, first, transposed(T));
    detail::semidefinite_root(second);
    scale(second, std::abs(pair.scaling));
    sides_[side].set(whiten, second, PanelLayout(pair[side].value));
  }

  PerSide<SideEnergy<Scalar>> sides_;
};

LORAPRO_NAMESPACE_END

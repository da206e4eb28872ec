// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/equivalent_energy.hpp>

LORAPRO_NAMESPACE_BEGIN

/// Row and column energies of the undamped equivalent gradient E = P_B G + G P_A - P_B G P_A, from
/// the gradients as they are. With U = Z A and V = B Z_B^T, U U^T = I and V^T V = I,
///
///     ||E_j||^2 = ||Z_B (B^T E)_j||^2 + ||(I - P_B) E U^T U_j||^2
///
/// for columns, and likewise for rows. EquivalentEnergy, which has A in place of U, is off by the
/// fourth power of a condition number without damping, this by the square.
/// \tparam Scalar  float or double: the scalar of the panels.
template <typename Scalar>
class ExactEnergy {
 public:
  explicit ExactEnergy(Index rank)
      : sides_{SideEnergy<Scalar>(rank), SideEnergy<Scalar>(rank)}, arena_(4 * square_size(rank)) {
    for (Square& whiten : whiten_) whiten = arena_.square(rank);
    for (Square& rest : rest_) rest = arena_.square(rank);
    arena_.close();
  }

  /// Scratch that compute needs, in Wide elements.
  static Index scratch_size(Index rank) { return 3 * square_size(rank); }

  /// \param solver      of the pair, inspected, with the Gram matrices of both gradients.
  /// \param grad_scale  multiplies the gradients.
  /// \return false if the energies could overflow Scalar, or what makes them.
  /// \cost 34 r^3 flops; no heap.
  [[nodiscard]] bool compute(const PairSolver& solver, double scaling, double grad_scale,
                             Workspace scratch) {
    const auto limit = static_cast<double>((std::numeric_limits<Scalar>::max)()) / 4;
    const double gradient = std::abs(grad_scale / scaling);
    bool fits = true;
    for (const Side side : kSides) whitening(solver.spectra().of(side), whiten_[side]);
    for (const Side side : kSides)
      fits = detail::is_below(see(side, solver, gradient, scratch), limit) && fits;
    for (const Side side : kSides)
      fits = fits && detail::is_below(norm(whiten_[side]), limit) &&
             detail::is_below(norm(rest_[side]), limit);
    return fits;
  }
  /// ||E||_F^2.
  double squared_norm() const { return squared_norm_; }

  /// Makes them for panels, of gradients times `clip`. \pre compute.
  void set(const Pair& pair, double clip) {
    for (const Side side : kSides) {
      lorapro::scale(rest_[side], clip);
      sides_[side].set(whiten_[other(side)], rest_[side], PanelLayout(pair[side].value));
    }
  }
  /// The columns of E by A, its rows by B; `seen` is B^T E = grad_A / s or (E A^T)^T, clipped.
  const SideEnergy<Scalar>& operator[](Side side) const { return sides_[side]; }

 private:
  /// A root of the Gram matrix of (I - P_B) E U^T, times Z. \return what energies do not exceed.
  double see(Side side, const PairSolver& solver, double gradient, Workspace scratch) {
    const ConstSquare Z = whiten_[side], Z_other = whiten_[other(side)];
    const Index r = Z.order();
    const Square product = scratch.square(r), inside = scratch.square(r), gram = scratch.square(r);
    const auto energy = [&] {
      Wide trace = 0;
      for (Index i = 0; i < r; ++i) trace += gram(i, i);
      return gradient * gradient * trace;
    };
    multiply(product, Z_other, solver.grad_gram(side));
    multiply(gram, product, transposed(Z_other));
    const double seen = energy();
    multiply(product, Z, solver.grad_gram(other(side)));
    multiply(gram, product, transposed(Z));
    const double all = energy();
    multiply(product, Z, solver.cross(other(side)));
    multiply(inside, product, transposed(Z_other));
    negate(product, inside);
    add_product(gram, product, transposed(inside));
    squared_norm_ = seen + (std::max)(0.0, energy());
    symmetrize(gram);
    detail::semidefinite_root(gram);
    multiply(rest_[side], gram, Z);
    lorapro::scale(rest_[side], gradient);
    return seen + all;
  }

  PerSide<SideEnergy<Scalar>> sides_;
  Arena arena_;
  PerSide<Square> whiten_, rest_;  // Z, Z_B; what makes the second part of A_j, or of B's row
  double squared_norm_ = 0;
};

LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/linalg/wide_panels.hpp>
#include <lorapro/optim/state.hpp>
#include <lorapro/optim/team.hpp>

LORAPRO_NAMESPACE_BEGIN

/// The factors A' and B' of an earlier step, and how what rules keep in their coordinates, X (r, n)
/// beside B' or Y (m, r) beside A', comes into those of the factors A and B of this one,
///
///     X <- P^-1 (B^T B') X        Y <- Y (A' A^T) Q^-1        P = B^T B,  Q = A A^T
///
/// so that B X is P_B B' X, and Y A likewise. State: previous_A and previous_B, (m + n) r; zero at
/// first, from where everything becomes zero.
template <typename Scalar>
class EarlierFactors {
 public:
  explicit EarlierFactors(const PairShape& shape)
      : factors_(FactorState<Scalar>::of(shape)), arena_(2 * square_size(shape.rank)) {
    for (Square& overlap : overlaps_) overlap = arena_.square(shape.rank);
    arena_.close();
  }
  template <typename Visitor>
  void visit(Visitor&& visitor) {
    visit_sides("previous", factors_, visitor);
  }

  /// Scratch of measure, in Wide elements.
  static Index scratch_size(Index rank) { return 2 * WidePanels::size(rank); }

  /// The products A A'^T or B^T B' of a factor. \cost 2 r^2 length flops; no heap.
  void measure(Side which, const FactorView& factor, Workspace scratch) {
    const WidePanels panels(factor);
    Wide *const now = scratch.vector(WidePanels::size(factor.rank)), *const before = scratch.vector(
                                                                         WidePanels::size(
                                                                             factor.rank));
    const FactorView earlier = factors_[which].view();
    set_zero(overlaps_[which]);
    for (Index panel = 0; panel < panels.count(); ++panel)
      panels.add_products(panel, panels.read(factor, panel, now),
                          panels.read(earlier, panel, before), overlaps_[which]);
  }
  ConstSquare overlap(Side which) const { return overlaps_[which]; }

  /// What X (side A) or Y^T (side B) is multiplied by. \pre The other side's factor is measured.
  /// \param inverse  P^-1 or Q^-1, Moore and Penrose's, or damped.
  void transport(Side side, ConstSquare inverse, Square out) const {
    multiply(out, inverse, overlaps_[other(side)]);
  }

  /// Takes the factor for the one that comes to be the earlier.
  void keep(Side which, const FactorView& factor, const Team<Scalar>& team) {
    const PanelLayout layout(factor);
    const FactorView to = factors_[which].view();
    team.parallel_ranges(
        layout.count(), [&](Index, Index first, Index last, Scratch<Scalar> scratch) {
          Scalar* const memory = scratch.scalars.vector(panel_size(layout.rank()));
          for (Index panel = first; panel < last; ++panel)
            write_panel(read_panel(factor, layout, panel, memory), to, layout, panel);
        });
  }

 private:
  PerSide<FactorState<Scalar>> factors_;
  Arena arena_;
  PerSide<Square> overlaps_;
};

LORAPRO_NAMESPACE_END

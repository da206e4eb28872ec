// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/coefficients.hpp>
#include <lorapro/linalg/wide_panels.hpp>

LORAPRO_NAMESPACE_BEGIN

/// \file
/// The r x r algebra of tangent vectors T = B x + y^T A at (B, A), x (rank, in_features), y (rank,
/// out_features), the rank first on both sides as everywhere. An array a of each side (a gradient
/// or what is kept of a momentum) and four r x r matrices give
///
///     x = A.on_grad a_A + A.on_factor A        y = B.on_grad a_B + B.on_factor B^T
///
/// so that AdjustCoefficients describes a tangent vector: E / s, for the gradients.

/// The products of one side's array a and factor F with a frame Z, all (rank, length).
struct FrameProducts {
  Square array;   ///< a Z^T
  Square factor;  ///< F Z^T
};

/// Scratch that frame_products needs, in Wide elements.
inline Index frame_products_scratch(Index rank) { return 3 * WidePanels::size(rank); }

/// The products of an array a and a factor f with a frame, in the wide scalar.
/// \param out      both matrices are overwritten.
/// \param scratch  frame_products_scratch(rank) elements.
/// \cost 4 r^2 length flops; reads 3 r length elements once; no heap.
inline void frame_products(const FactorView& a, const FactorView& f, const FactorView& frame,
                           const FrameProducts& out, Workspace scratch) {
  const WidePanels panels(f);
  const Index size = WidePanels::size(f.rank);
  Wide *const of_frame = scratch.vector(size), *const of_a = scratch.vector(size),
              *const of_f = scratch.vector(size);
  set_zero(out.array);
  set_zero(out.factor);
  for (Index panel = 0; panel < panels.count(); ++panel) {
    const auto z = panels.read(frame, panel, of_frame);
    panels.add_products(panel, panels.read(a, panel, of_a), z, out.array);
    panels.add_products(panel, panels.read(f, panel, of_f), z, out.factor);
  }
}

/// What frames Z_A (rank, in_features) and Z_B (rank, out_features) see of a tangent vector,
///
///     Z_B T = A.on_grad a_A + A.on_factor A        Z_A T^T = B.on_grad a_B + B.on_factor B^T
///
/// from products over each side alone. With the factors as frames it is B^T T and (T A^T)^T, which
/// is to T what grad_A / s and grad_B / s are to G; with the factors after a step, the same of T as
/// it stood before it; with the weighted factors B^T D_row and A D_col, what D_row T D_col is to
/// the factors but for the outer weights.
class TangentImage {
 public:
  explicit TangentImage(Index rank) : arena_(2 * OwnedCoefficients::size(rank)) {
    for (OwnedCoefficients& side : sides_) side = OwnedCoefficients::in(arena_, rank);
    arena_.close();
  }

  /// Scratch of compute, in Wide elements.
  static Index scratch_size(Index rank) { return square_size(rank); }

  /// \param tangent  T.
  /// \param seen     a_A and A times Z_A^T; a_B and B^T times Z_B^T.
  /// \param factor   multiplies T.
  /// \cost 16 r^3 flops; no heap.
  void compute(const AdjustCoefficients& tangent, const PerSide<FrameProducts>& seen, double factor,
               Workspace scratch) {
    for (const Side side : kSides) {
      // Z T for the frame Z of the other side: (F Z^T)^T x + (y Z^T)^T F, with its F and y.
      const SideCoefficients x = tangent[side], y = tangent[other(side)];
      const FrameProducts& of = seen[other(side)];
      const OwnedCoefficients& out = sides_[side];
      Workspace work = scratch;
      const Square y_Zt = work.square(out.on_grad.order());
      multiply_sum(y_Zt, y.on_grad, of.array, y.on_factor, of.factor);
      multiply(out.on_grad, transposed(of.factor), x.on_grad);
      multiply(out.on_factor, transposed(of.factor), x.on_factor);
      for (Index i = 0; i < y_Zt.order(); ++i)
        for (Index k = 0; k < y_Zt.order(); ++k) out.on_factor(i, k) += y_Zt(k, i);
      out.scale(factor);
    }
  }

  /// Z_B T Z_A^T, and its transpose, given the products with Z_A. With the factors as frames the
  /// cross of B^T T with A. \cost 4 r^3 flops; no heap.
  void cross(const FrameProducts& seen_A, const PerSide<Square>& out) const {
    multiply_sum(out.A, sides_.A.on_grad, seen_A.array, sides_.A.on_factor, seen_A.factor);
    transpose(out.B, out.A);
  }

  SideCoefficients operator[](Side side) const { return sides_[side]; }

 private:
  Arena arena_;
  PerSide<OwnedCoefficients> sides_;
};

LORAPRO_NAMESPACE_END

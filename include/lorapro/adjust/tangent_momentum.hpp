// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/pair_solver.hpp>

LORAPRO_NAMESPACE_BEGIN

/// \file
/// The r x r algebra of tangent vectors T = B x + y^T A at (B, A), x (rank, in_features), y (rank,
/// out_features), the rank first on both sides as everywhere. An array a of each side (a gradient
/// or what is kept of a momentum) and four r x r matrices give
///
///     x = on_grad_A a_A + on_A A        y = on_grad_B a_B + on_B B^T
///
/// so that AdjustCoefficients describes a tangent vector: E / s, for the gradients.

/// The products of one side's array a and factor F with a frame Z, all (rank, length): (r, r) each.
struct FrameProducts {
  const Wide* grad = nullptr;    ///< a Z^T
  const Wide* factor = nullptr;  ///< F Z^T
};

/// Scratch that frame_products needs, in Wide elements.
inline Index frame_products_scratch(Index rank) { return 3 * WidePanels::size(rank); }

/// The products of an array a and a factor F with a frame Z, in the wide scalar.
/// \param[out] grad, factor  a Z^T and F Z^T, (rank, rank) row-major, overwritten.
/// \param scratch            frame_products_scratch(rank) elements.
/// \cost 4 r^2 length flops; reads 3 r length elements once; no heap.
inline void frame_products(const FactorView& a, const FactorView& f, const FactorView& frame,
                           Wide* grad, Wide* factor, Wide* scratch) {
  const Index r = f.rank, size = WidePanels::size(r);
  const WidePanels panels(f);
  std::fill(grad, grad + r * r, 0.0);
  std::fill(factor, factor + r * r, 0.0);
  for (Index panel = 0; panel < panels.count(); ++panel) {
    const auto z = panels.read(frame, panel, scratch);
    panels.add_products(panel, panels.read(a, panel, scratch + size), z, grad);
    panels.add_products(panel, panels.read(f, panel, scratch + 2 * size), z, factor);
  }
}

/// What frames Z_A (rank, in_features) and Z_B (rank, out_features) see of a tangent vector,
///
///     Z_B T = on_grad_A a_A + on_A A        Z_A T^T = on_grad_B a_B + on_B B^T
///
/// from products over each side alone. With the factors as frames it is B^T T and (T A^T)^T, which
/// is to T what grad_A / s and grad_B / s are to G; with the factors after a step, the same of T as
/// it stood before it; with the weighted factors B^T D_row and A D_col, what D_row T D_col is to
/// the factors but for the outer weights.
class TangentImage {
 public:
  explicit TangentImage(Index rank) : rank_(rank), memory_(4 * rank * rank) {}

  /// Scratch of every member, in Wide elements.
  static Index scratch_size(Index rank) { return rank * rank; }

  /// \param tangent  T.
  /// \param seen_A   a_A and A times Z_A^T.
  /// \param seen_B   a_B and B^T times Z_B^T.
  /// \param factor   multiplies T.
  /// \cost 16 r^3 flops; no heap.
  void compute(const AdjustCoefficients& tangent, const FrameProducts& seen_A,
               const FrameProducts& seen_B, double factor, Wide* scratch) {
    const Index size = rank_ * rank_;
    side(tangent.on_grad_A(), tangent.on_A(), tangent.on_grad_B(), tangent.on_B(), seen_B, factor,
         memory_.data(), scratch);
    side(tangent.on_grad_B(), tangent.on_B(), tangent.on_grad_A(), tangent.on_A(), seen_A, factor,
         memory_.data() + 2 * size, scratch);
  }

  /// Z_B T Z_A^T, and its transpose, given the products with Z_A. With the factors as frames the
  /// cross of B^T T with A. \param[out] cross_A, cross_B  (r, r). \cost 4 r^3 flops; no heap.
  void cross(const FrameProducts& seen_A, Wide* cross_A, Wide* cross_B) const {
    const Index r = rank_;
    panel_product_sum({on_grad_A(), r, seen_A.grad, r}, {on_A(), r, seen_A.factor, r}, r, r, r,
                      cross_A, r);
    for (Index i = 0; i < r; ++i)
      for (Index k = 0; k < r; ++k) cross_B[k * r + i] = cross_A[i * r + k];
  }

  Index rank() const { return rank_; }
  const Wide* on_grad_A() const { return memory_.data(); }
  const Wide* on_A() const { return memory_.data() + rank_ * rank_; }
  const Wide* on_grad_B() const { return memory_.data() + 2 * rank_ * rank_; }
  const Wide* on_B() const { return memory_.data() + 3 * rank_ * rank_; }

 private:
  /// Z T for the frame of the other side: (F Z^T)^T x + (y Z^T)^T F, y and Z^T of the other side.
  void side(const Wide* on_grad, const Wide* on_factor, const Wide* other_on_grad,
            const Wide* other_on_factor, const FrameProducts& seen, double factor, Wide* out,
            Wide* scratch) const {
    const Index r = rank_, size = r * r;
    panel_product_sum({other_on_grad, r, seen.grad, r}, {other_on_factor, r, seen.factor, r}, r, r,
                      r, scratch, r);
    panel_product(seen.factor, Index{1}, r, r, r, on_grad, r, r, out, r, false);
    panel_product(seen.factor, Index{1}, r, r, r, on_factor, r, r, out + size, r, false);
    for (Index i = 0; i < r; ++i)
      for (Index k = 0; k < r; ++k) out[size + i * r + k] += scratch[k * r + i];
    for (Index k = 0; k < 2 * size; ++k) out[k] *= factor;
  }

  Index rank_;
  Buffer<Wide> memory_;  // on_grad_A, on_A, on_grad_B, on_B
};

/// A momentum M that moves with the factors, kept as what they see of it:
///
///     exp_avg_A = B^T M   (rank, in_features)        exp_avg_B = M A^T   (out_features, rank)
///
/// They determine its projection on the tangent space, M = B x + y^T A by raise(), as the gradients
/// of the factors determine E. Kept so, a step of the factors transports M exactly and without any
/// inverse: exp_avg_A <- B_new^T M, exp_avg_B <- M A_new^T, and the projection on the new tangent
/// space is the next raise(). What is stored is never larger than ||B|| ||M|| or ||A|| ||M||,
/// however small the singular values, and rounding it costs as much as rounding a gradient does.
/// It also means that a factor which somebody else changes between two steps no longer fits it.
class TangentMomentum {
 public:
  explicit TangentMomentum(Index rank) : coefficients_(rank), products_(2 * rank * rank) {}

  static Index scratch_size(Index rank) { return AdjustCoefficients::scratch_size(rank); }

  /// x and y from exp_avg_A and exp_avg_B: the projection of M on the tangent space, undamped, with
  /// the relative cutoff of the spectra (the Moore-Penrose limit: B = 0 is no special case).
  /// \pre cross_A and cross_B are filled.
  /// \cost 20 r^3 flops; no heap.
  void raise(const SpectralPair& spectra, Wide* scratch) {
    // The zero gauge leaves x without a term in A. Overflow is excluded by the relative cutoff,
    // unless a squared singular value itself leaves the range of double.
    (void)coefficients_.compute(spectra, cross_A(), cross_B(), 1.0, Dampings{}, Gauge::zero, 1.0,
                                scratch);
  }

  Wide* cross_A() { return products_.data(); }  ///< exp_avg_A A^T
  Wide* cross_B() {                             ///< exp_avg_B^T B
    return products_.data() + coefficients_.rank() * coefficients_.rank();
  }
  /// M, on exp_avg_A and exp_avg_B^T.
  const AdjustCoefficients& coefficients() const { return coefficients_; }

 private:
  AdjustCoefficients coefficients_;
  Buffer<Wide> products_;
};

LORAPRO_NAMESPACE_END

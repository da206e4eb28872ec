// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/linalg/all_finite.hpp>
#include <lorapro/linalg/arena.hpp>
#include <lorapro/linalg/wide_panels.hpp>

LORAPRO_NAMESPACE_BEGIN

/// Scratch that factor_products needs, in Wide elements.
inline Index factor_products_scratch(Index rank) { return 2 * WidePanels::size(rank); }

/// The r x r products of a factor F and its gradient g.
struct FactorProducts {
  Square gram;       ///< F F^T
  Square cross;      ///< g F^T
  Square grad_gram;  ///< g g^T; or none
};

/// What factor_products found of its gradient, and of the elements of both.
struct FactorMeasure {
  Wide squared_norm = 0;  ///< trace of g g^T = ||g||_F^2
  bool finite = true;     ///< no element of F or g is NaN or infinite
};

/// The r x r products of a factor F and its gradient g, both (rank, length), in the wide scalar.
/// For lora_A: F = A, g = grad_A. For lora_B: F = B^T, g = grad_B^T, so that gram = B^T B.
/// \param out      overwritten; without a grad_gram its trace alone is returned.
/// \param scratch  factor_products_scratch(rank) elements.
/// \return the norm of g, and whether all elements are finite, by their bits.
/// \cost 3 r^2 length flops (4 with grad_gram; a little more at small r); reads 2 r length
/// elements once; no heap.
inline FactorMeasure factor_products(const FactorView& factor, const FactorView& grad,
                                     const FactorProducts& out, Workspace scratch) {
  const WidePanels panels(factor);
  const Index size = WidePanels::size(factor.rank);
  Wide *const of_factor = scratch.vector(size), *const of_grad = scratch.vector(size);
  const bool with_grad_gram = static_cast<bool>(out.grad_gram);
  set_zero(out.gram);
  set_zero(out.cross);
  if (with_grad_gram) set_zero(out.grad_gram);
  FactorMeasure found;
  for (Index panel = 0; panel < panels.count(); ++panel) {
    const auto f = panels.read(factor, panel, of_factor);
    const auto g = panels.read(grad, panel, of_grad);
    found.finite = found.finite && panel_is_finite(factor, panels.source(), panel) &&
                   panel_is_finite(grad, panels.source(), panel);
    panels.add_gram(panel, f, out.gram);
    panels.add_products(panel, g, f, out.cross);
    if (with_grad_gram) {
      panels.add_gram(panel, g, out.grad_gram);
    } else {
      found.squared_norm += panels.squared_norm(panel, g);
    }
  }
  mirror(out.gram);
  if (!with_grad_gram) return found;
  mirror(out.grad_gram);
  for (Index k = 0; k < factor.rank; ++k) found.squared_norm += out.grad_gram(k, k);
  return found;
}

LORAPRO_NAMESPACE_END

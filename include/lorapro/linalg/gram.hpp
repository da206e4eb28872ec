// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/linalg/all_finite.hpp>
#include <lorapro/linalg/wide_panels.hpp>

LORAPRO_NAMESPACE_BEGIN

/// Scratch that factor_products needs, in Wide elements.
inline Index factor_products_scratch(Index rank) { return 2 * WidePanels::size(rank); }

/// What factor_products found of its gradient, and of the elements of both.
struct FactorProducts {
  Wide squared_norm = 0;  ///< trace of g g^T = ||g||_F^2
  bool finite = true;     ///< no element of F or g is NaN or infinite
};

/// The r x r products of a factor F and its gradient g, both (rank, length), in the wide scalar.
/// For lora_A: F = A, g = grad_A. For lora_B: F = B^T, g = grad_B^T, so that gram = B^T B.
///
///     gram = F F^T      cross = g F^T      grad_gram = g g^T
///
/// \param[out] gram, cross  (rank, rank), row-major, overwritten.
/// \param[out] grad_gram    as above, or null: its trace alone is then returned.
/// \param scratch           factor_products_scratch(rank) elements.
/// \return the norm of g, and whether all elements are finite, by their bits.
/// \cost 3 r^2 length flops (4 with grad_gram; a little more at small r); reads 2 r length
/// elements once; no heap.
inline FactorProducts factor_products(const FactorView& factor, const FactorView& grad, Wide* gram,
                                      Wide* cross, Wide* grad_gram, Wide* scratch) {
  const Index r = factor.rank;
  const WidePanels panels(factor);
  std::fill(gram, gram + r * r, 0.0);
  std::fill(cross, cross + r * r, 0.0);
  if (grad_gram != nullptr) std::fill(grad_gram, grad_gram + r * r, 0.0);
  FactorProducts found;
  for (Index panel = 0; panel < panels.count(); ++panel) {
    const auto f = panels.read(factor, panel, scratch);
    const auto g = panels.read(grad, panel, scratch + WidePanels::size(r));
    found.finite = found.finite && panel_is_finite(factor, panels.source(), panel) &&
                   panel_is_finite(grad, panels.source(), panel);
    panels.add_gram(panel, f, gram);
    panels.add_products(panel, g, f, cross);
    if (grad_gram != nullptr) {
      panels.add_gram(panel, g, grad_gram);
    } else {
      found.squared_norm += panels.squared_norm(panel, g);
    }
  }
  detail::mirror(r, gram);
  if (grad_gram == nullptr) return found;
  detail::mirror(r, grad_gram);
  for (Index k = 0; k < r; ++k) found.squared_norm += grad_gram[k * r + k];
  return found;
}

LORAPRO_NAMESPACE_END

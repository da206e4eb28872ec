// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/linalg/panel.hpp>
#include <lorapro/linalg/product.hpp>

LORAPRO_NAMESPACE_BEGIN

/// Heap that factor_products needs, in Wide elements.
inline Index factor_products_scratch(Index rank) { return 2 * rank * kPanelWidth; }

/// The r x r products of a factor F and its gradient g, both (rank, length), in the wide scalar.
/// For lora_A: F = A, g = grad_A. For lora_B: F = B^T, g = grad_B^T, so that gram = B^T B.
///
///     gram = F F^T      cross = g F^T      grad_gram = g g^T
///
/// \param[out] gram, cross  (rank, rank), row-major, overwritten.
/// \param[out] grad_gram    as above, or null: its trace alone is then returned.
/// \param scratch           factor_products_scratch(rank) elements.
/// \return trace of g g^T = ||g||_F^2; not finite if any element of F or g is not.
/// \cost 4 r^2 length flops (6 with grad_gram), reads 2 r length elements once; no heap.
inline Wide factor_products(const FactorView& factor, const FactorView& grad, Wide* gram,
                            Wide* cross, Wide* grad_gram, Wide* scratch) {
  const Index r = factor.rank;
  Wide* const f = scratch;
  Wide* const g = scratch + r * kPanelWidth;
  std::fill(gram, gram + r * r, 0.0);
  std::fill(cross, cross + r * r, 0.0);
  if (grad_gram != nullptr) std::fill(grad_gram, grad_gram + r * r, 0.0);
  Wide squared_norm = 0;
  for (Index panel = 0; panel < panel_count(factor.length); ++panel) {
    const Index width = padded_width(panel_width(factor.length, panel));
    load_panel(factor, panel, f);
    load_panel(grad, panel, g);
    panel_dots(f, kPanelWidth, r, f, kPanelWidth, r, width, gram, r, 1);
    panel_dots(g, kPanelWidth, r, f, kPanelWidth, r, width, cross, r, 1);
    if (grad_gram != nullptr) {
      panel_dots(g, kPanelWidth, r, g, kPanelWidth, r, width, grad_gram, r, 1);
    } else {
      for (Index k = 0; k < r; ++k) {
        const Wide* row = g + k * kPanelWidth;
        panel_dots(row, 0, 1, row, 0, 1, width, &squared_norm, 0, 0);
      }
    }
  }
  if (grad_gram != nullptr)
    for (Index k = 0; k < r; ++k) squared_norm += grad_gram[k * r + k];
  return squared_norm;
}

LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/linalg/magnitude.hpp>
#include <lorapro/linalg/panel.hpp>
#include <lorapro/linalg/product.hpp>

LORAPRO_NAMESPACE_BEGIN

/// Scratch that factor_products needs, in Wide elements.
inline Index factor_products_scratch(Index rank) { return 2 * panel_size(rank); }

namespace detail {

/// out += X Y^T over one panel, X and Y (rank, width) in either layout.
inline void add_products(const PanelLayout& layout, Index panel, const Panel<const Wide>& x,
                         const Panel<const Wide>& y, Wide* out) {
  const Index r = layout.rank();
  if (layout.position_major()) {
    panel_product(x.data, Index{1}, x.stride, r, layout.width(panel), y.data, y.stride, r, out, r,
                  true);
  } else {
    panel_dots(x.data, x.stride, r, y.data, y.stride, r, layout.width(panel), out, r, Index{1});
  }
}

/// out += X X^T over one panel, on and above the diagonal alone, give or take a register tile.
inline void add_gram(const PanelLayout& layout, Index panel, const Panel<const Wide>& x,
                     Wide* out) {
  const Index r = layout.rank(), width = layout.width(panel);
  const Index block = layout.position_major() ? 8 : 4;
  for (Index i = 0; i < r; i += block) {
    const Index rows = std::min(block, r - i);
    Wide* const target = out + i * r + i;
    if (layout.position_major()) {
      panel_product(x.data + i, Index{1}, x.stride, rows, width, x.data + i, x.stride, r - i,
                    target, r, true);
    } else {
      const Wide* const from = x.data + i * x.stride;
      panel_dots(from, x.stride, rows, from, x.stride, r - i, width, target, r, Index{1});
    }
  }
}

/// Copies what is above the diagonal below it.
inline void mirror(Index rank, Wide* matrix) {
  for (Index i = 0; i < rank; ++i)
    for (Index k = 0; k < i; ++k) matrix[i * rank + k] = matrix[k * rank + i];
}

}  // namespace detail

/// The r x r products of a factor F and its gradient g, both (rank, length), in the wide scalar.
/// For lora_A: F = A, g = grad_A. For lora_B: F = B^T, g = grad_B^T, so that gram = B^T B.
///
///     gram = F F^T      cross = g F^T      grad_gram = g g^T
///
/// \param[out] gram, cross  (rank, rank), row-major, overwritten.
/// \param[out] grad_gram    as above, or null: its trace alone is then returned.
/// \param scratch           factor_products_scratch(rank) elements.
/// \return trace of g g^T = ||g||_F^2; not finite if any element of F or g is not.
/// \cost 3 r^2 length flops (4 with grad_gram; a little more at small r); reads 2 r length
/// elements once; no heap.
inline Wide factor_products(const FactorView& factor, const FactorView& grad, Wide* gram,
                            Wide* cross, Wide* grad_gram, Wide* scratch) {
  const Index r = factor.rank;
  const PanelLayout layout(factor);
  std::fill(gram, gram + r * r, 0.0);
  std::fill(cross, cross + r * r, 0.0);
  if (grad_gram != nullptr) std::fill(grad_gram, grad_gram + r * r, 0.0);
  Wide squared_norm = 0;
  for (Index panel = 0; panel < layout.count(); ++panel) {
    const auto f = read_panel(factor, layout, panel, scratch);
    const auto g = read_panel(grad, layout, panel, scratch + panel_size(r));
    detail::add_gram(layout, panel, f, gram);
    detail::add_products(layout, panel, g, f, cross);
    if (grad_gram != nullptr) {
      detail::add_gram(layout, panel, g, grad_gram);
    } else {
      squared_norm += detail::squared_panel(layout, panel, g);
    }
  }
  detail::mirror(r, gram);
  if (grad_gram == nullptr) return squared_norm;
  detail::mirror(r, grad_gram);
  for (Index k = 0; k < r; ++k) squared_norm += grad_gram[k * r + k];
  return squared_norm;
}

LORAPRO_NAMESPACE_END

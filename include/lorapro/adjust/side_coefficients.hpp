// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/linalg/arena.hpp>

LORAPRO_NAMESPACE_BEGIN

/// What becomes of a factor F and an array a of its shape, a gradient or what is kept of a
/// momentum, both (rank, length): on_grad a + on_factor F.
struct SideCoefficients {
  ConstSquare on_grad;
  ConstSquare on_factor;
};

/// The memory of such coefficients.
struct OwnedCoefficients {
  Square on_grad;
  Square on_factor;

  static constexpr Index size(Index rank) { return 2 * square_size(rank); }
  static OwnedCoefficients in(Arena& arena, Index rank) {
    const Square on_grad = arena.square(rank);
    return {on_grad, arena.square(rank)};
  }
  void scale(double factor) const {
    lorapro::scale(on_grad, factor);
    lorapro::scale(on_factor, factor);
  }
  operator SideCoefficients() const {  // NOLINT(google-explicit-constructor)
    return {on_grad, on_factor};
  }
};

LORAPRO_NAMESPACE_END

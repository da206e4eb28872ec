// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include "lanes.hpp"

namespace examples::llm {

/// y = silu(gate) up, with silu(g) = g s and s the sigmoid of g.
template <typename Scalar>
void swiglu(const Scalar* gate, const Scalar* up, Index width, Scalar* y) {
  for_lanes<Scalar>(width, [&](Index k, const auto& lanes) {
    const Lanes<Scalar> g = lanes.load(gate + k);
    lanes.store(y + k, g / (1 + (-g).exp()) * lanes.load(up + k));
  });
}

/// Gradients of both from that of y:  grad_up = grad_y g s,
/// grad_gate = grad_y up s (1 + g (1 - s)).
/// \param[in,out] grad  grad_y, then grad_up.
template <typename Scalar>
void swiglu_backward(const Scalar* gate, const Scalar* up, Index width, Scalar* grad,
                     Scalar* grad_gate) {
  for_lanes<Scalar>(width, [&](Index k, const auto& lanes) {
    const Lanes<Scalar> g = lanes.load(gate + k), dy = lanes.load(grad + k);
    const Lanes<Scalar> s = 1 / (1 + (-g).exp());
    lanes.store(grad_gate + k, dy * lanes.load(up + k) * s * (1 + g * (1 - s)));
    lanes.store(grad + k, dy * g * s);
  });
}

}  // namespace examples::llm

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/namespace.hpp>

LORAPRO_NAMESPACE_BEGIN

/// The choice of X in dA + X A, dB - B X. It does not change the equivalent gradient, only how a
/// step is split between the factors, and hence W at second order in the learning rate.
/// \ref arXiv:2407.18242v3, Theorem 2.1 (X is free) and 2.3 (Sylvester).
enum class Gauge {
  /// P X + X Q = -(1/s^2) P^-1 grad_A A^T. The minimum-norm solution; O(r)-invariant.
  sylvester,
  /// X = -(1/2) (1/s^2) P^-1 grad_A A^T Q^-1 from the zero gauge: minimises ||B dA - dB A||. The
  /// finite step does not change under (B, A) -> (B R, R^-1 A) for any invertible R (undamped).
  balanced,
  /// X = 0: dA = (1/s^2) P^-1 grad_A. Cheapest, invariant like the balanced gauge (undamped).
  zero
};

LORAPRO_NAMESPACE_END

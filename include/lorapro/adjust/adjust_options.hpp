// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/gauge.hpp>
#include <lorapro/core/error.hpp>
#include <lorapro/core/finite.hpp>
#include <lorapro/core/side.hpp>

LORAPRO_NAMESPACE_BEGIN

/// How to adjust a gradient.
struct AdjustOptions {
  /// rho: each factor is damped relative to the largest eigenvalue that its gradient is divided by,
  /// lambda_A = rho s^2 l_max and lambda_B = rho s^2 u_max (scale_free_dampings). 0 is the exact
  /// projection, with the Moore-Penrose limit where a factor has lost rank. >= 0.
  double damping = 0.0;
  Gauge gauge = Gauge::sylvester;
  /// Learning rate of the coming step A -= lr dA, B -= lr dB, by which the move of the fixed factor
  /// is bounded where there is damping; >= 0. 0: it is not, and the step after B = 0 moves A by its
  /// own size at every rate.
  double lr = 0.0;
  /// kappa: the largest such move, relative to the fixed factor itself; > 0.
  double max_relative_move = 0.05;
  /// Which factor grows freely from where it starts: B, the usual start being B = 0; A where A is 0
  /// and B is not (adapters of embeddings, a start with the roles swapped). The other one is the
  /// *fixed* factor, which a step may change by a part of itself only.
  Side free_factor = Side::B;

  Side fixed_factor() const { return other(free_factor); }

  /// \throws ConfigError that names the field.
  void validate() const {
    checks::config(damping >= 0 && is_finite(damping), "damping", "a finite number >= 0", damping);
    checks::config(lr >= 0 && is_finite(lr), "lr", "a finite number >= 0", lr);
    checks::config(max_relative_move > 0 && is_finite(max_relative_move), "max_relative_move",
                   "a finite number > 0", max_relative_move);
  }
};

LORAPRO_NAMESPACE_END

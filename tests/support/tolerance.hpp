// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/numeric.hpp>

#include <cmath>  // std::hypot

#include "support/reference.hpp"

namespace support {

/// c dim eps condition norm: the only form a tolerance has in these tests.
/// \param c          a small number, the slack over the first-order bound.
/// \param dim        the length of the sums.
/// \param condition  what the rounding errors are amplified by: of the factor, or its square where
///                   a Gram matrix in the same scalar is inverted.
/// \param norm       of the exact result, or of the data where the result may vanish.
template <typename Scalar>
double tolerance(double c, double dim, double condition, double norm) {
  return c * dim * lorapro::storage_epsilon<Scalar>() * condition * norm;
}

inline double norm(const reference::RealMatrix& a) {
  return static_cast<double>(reference::norm(a));
}
inline double norm(const reference::Pair& d) { return std::hypot(norm(d.A), norm(d.B)); }

/// ||a - b||_F in long double; not finite if an element is not.
template <typename A, typename B>
double distance(const A& a, const B& b) {
  return static_cast<double>(
      reference::norm(reference::RealMatrix(reference::real(a) - reference::real(b))));
}
inline double distance(const reference::Pair& a, const reference::Pair& b) {
  return std::hypot(distance(a.A, b.A), distance(a.B, b.B));
}

}  // namespace support

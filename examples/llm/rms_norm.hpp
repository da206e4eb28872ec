// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <cmath>  // std::sqrt

#include "lanes.hpp"

namespace examples::llm {

/// r = (mean x^2 + eps)^(-1/2) of a row.
template <typename Scalar>
Scalar inverse_rms(const Scalar* x, Index width, double eps) {
  Lanes<Scalar> sums = Lanes<Scalar>::Zero();
  for_lanes<Scalar>(width, [&](Index k, const auto& lanes) { sums += lanes.load(x + k).square(); });
  const double mean = static_cast<double>(sums.sum()) / static_cast<double>(width);
  return static_cast<Scalar>(1 / std::sqrt(mean + eps));
}

/// y = gain x r. y may be x.
template <typename Scalar>
void rms_norm(const Scalar* x, const Scalar* gain, Index width, double eps, Scalar* y) {
  const Scalar r = inverse_rms(x, width, eps);
  for_lanes<Scalar>(width, [&](Index k, const auto& lanes) {
    lanes.store(y + k, lanes.load(gain + k) * lanes.load(x + k) * r);
  });
}

/// The gradient of the input, r (gain grad_y - x r^2 mean(gain grad_y x)), element by element. The
/// gain is frozen.
/// \param store  (k, lanes, gradient of x[k ...]).
template <typename Scalar, typename Store>
void rms_norm_gradient(const Scalar* x, const Scalar* gain, const Scalar* grad_y, Index width,
                       double eps, const Store& store) {
  const Scalar r = inverse_rms(x, width, eps);
  Lanes<Scalar> sums = Lanes<Scalar>::Zero();
  for_lanes<Scalar>(width, [&](Index k, const auto& lanes) {
    sums += lanes.load(gain + k) * lanes.load(grad_y + k) * lanes.load(x + k);
  });
  const Scalar pull = r * r * sums.sum() / static_cast<Scalar>(width);
  for_lanes<Scalar>(width, [&](Index k, const auto& lanes) {
    const Lanes<Scalar> grad =
        r * (lanes.load(gain + k) * lanes.load(grad_y + k) - pull * lanes.load(x + k));
    store(k, lanes, grad);
  });
}

}  // namespace examples::llm

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/linalg/packet.hpp>

#include <algorithm>  // std::copy_n
#include <cmath>      // std::pow, std::sqrt

LORAPRO_NAMESPACE_BEGIN

/// One AdamW update of a parameter.
struct AdamStep {
  double beta1, beta2, eps;
  std::int64_t step;  ///< its number, from 1
  double lr;
  double grad_scale = 1;  ///< the gradient is multiplied by it
  double decay = 1;       ///< factor of the parameter: decoupled weight decay
};

/// Constants of an AdamW update, with the bias corrections folded: m_hat / (sqrt(v_hat) + eps) = direction m / (sqrt(v) + scaled_eps).
template <typename Scalar>
struct AdamConstants {
  Scalar beta1, one_minus_beta1, beta2, one_minus_beta2;
  Scalar grad_scale;  ///< the gradient is multiplied by it
  Scalar scaled_eps;  ///< eps sqrt(1 - beta2^t)
  Scalar keep;        ///< factor of the parameter: decoupled weight decay
  Scalar rate;        ///< lr sqrt(1 - beta2^t) / (1 - beta1^t)

  explicit AdamConstants(const AdamStep& of)
      : beta1(static_cast<Scalar>(of.beta1)),
        one_minus_beta1(static_cast<Scalar>(1 - of.beta1)),
        beta2(static_cast<Scalar>(of.beta2)),
        one_minus_beta2(static_cast<Scalar>(1 - of.beta2)),
        grad_scale(static_cast<Scalar>(of.grad_scale)),
        keep(static_cast<Scalar>(of.decay)) {
    const auto t = static_cast<double>(of.step);
    const double correction = std::sqrt(1 - std::pow(of.beta2, t));
    scaled_eps = static_cast<Scalar>(of.eps * correction);
    rate = static_cast<Scalar>(of.lr * correction / (1 - std::pow(of.beta1, t)));
  }
};

namespace detail {

template <typename Scalar>
LORAPRO_ALWAYS_INLINE void adamw_packet(const AdamConstants<Scalar>& c, const Scalar* grad,
                                        Scalar* exp_avg, Scalar* exp_avg_sq, Scalar* value) {
  using P = Packets<Scalar>;
  const auto g = P::mul(P::load(grad), P::set(c.grad_scale));
  const auto m = P::fma(P::set(c.beta1), P::load(exp_avg), P::mul(P::set(c.one_minus_beta1), g));
  const auto v =
      P::fma(P::set(c.beta2), P::load(exp_avg_sq), P::mul(P::mul(P::set(c.one_minus_beta2), g), g));
  P::store(exp_avg, m);
  P::store(exp_avg_sq, v);
  const auto direction = normalize(m, v, P::set(c.scaled_eps));
  P::store(value, P::fma(P::set(-c.rate), direction, P::mul(P::set(c.keep), P::load(value))));
}

}  // namespace detail

/// Consecutive elements of a parameter with their gradients and moments.
template <typename Scalar>
struct AdamRow {
  const Scalar* grad;
  Scalar* exp_avg;
  Scalar* exp_avg_sq;
  Scalar* value;
  Index count;
};

/// AdamW on a row of elements, moments and parameter in one go:
///
///     g = grad_scale grad
///     exp_avg = beta1 exp_avg + (1 - beta1) g      exp_avg_sq = beta2 exp_avg_sq + (1 - beta2) g^2
///     value = keep value - lr m_hat / (sqrt(v_hat) + eps)
///
/// \cost   about 16 flops, 4 reads and 3 writes per element; no heap.
/// \ref    Loshchilov & Hutter, arXiv:1711.05101v3, algorithm 2.
/// In plain Eigen: bench/naive/adam.hpp.
template <typename Scalar>
void adamw_row(const AdamConstants<Scalar>& constants, const AdamRow<Scalar>& row) {
  const auto [grad, exp_avg, exp_avg_sq, value, count] = row;
  constexpr Index kSize = detail::Packets<Scalar>::kSize;
  Index i = 0;
  for (; i + kSize <= count; i += kSize)
    detail::adamw_packet(constants, grad + i, exp_avg + i, exp_avg_sq + i, value + i);
  if (i == count) return;
  // The ragged end goes through packets of its own, so that every element sees the same arithmetic.
  Scalar g[kSize] = {}, m[kSize] = {}, v[kSize] = {}, p[kSize] = {};
  const Index rest = count - i;
  std::copy_n(grad + i, rest, g);
  std::copy_n(exp_avg + i, rest, m);
  std::copy_n(exp_avg_sq + i, rest, v);
  std::copy_n(value + i, rest, p);
  detail::adamw_packet(constants, g, m, v, p);
  std::copy_n(m, rest, exp_avg + i);
  std::copy_n(v, rest, exp_avg_sq + i);
  std::copy_n(p, rest, value + i);
}

/// value = keep value - rate step on \p count consecutive elements.
/// \cost 3 flops, 2 reads and 1 write per element; no heap.
template <typename Scalar>
void descend_row(Scalar keep, Scalar rate, const Scalar* step, Scalar* value, Index count) {
  using P = detail::Packets<Scalar>;
  Index i = 0;
  for (; i + P::kSize <= count; i += P::kSize)
    P::store(value + i,
             P::fma(P::set(-rate), P::load(step + i), P::mul(P::set(keep), P::load(value + i))));
  for (; i < count; ++i) value[i] = keep * value[i] - rate * step[i];
}

LORAPRO_NAMESPACE_END

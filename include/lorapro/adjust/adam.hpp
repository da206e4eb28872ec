// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/random.hpp>
#include <lorapro/core/storage.hpp>
#include <lorapro/linalg/product.hpp>

#include <cmath>  // std::pow

LORAPRO_NAMESPACE_BEGIN

/// Constants of one Adam update, with the bias corrections of step `step` (counted from 1).
template <typename Scalar>
struct AdamConstants {
  Scalar beta1, one_minus_beta1, beta2, one_minus_beta2, eps;
  Scalar correction1;  ///< 1 / (1 - beta1^step)
  Scalar correction2;  ///< 1 / (1 - beta2^step)

  AdamConstants(double beta_1, double beta_2, double epsilon, std::int64_t step)
      : beta1(static_cast<Scalar>(beta_1)),
        one_minus_beta1(static_cast<Scalar>(1 - beta_1)),
        beta2(static_cast<Scalar>(beta_2)),
        one_minus_beta2(static_cast<Scalar>(1 - beta_2)),
        eps(static_cast<Scalar>(epsilon)),
        correction1(static_cast<Scalar>(1 / (1 - std::pow(beta_1, static_cast<double>(step))))),
        correction2(static_cast<Scalar>(1 / (1 - std::pow(beta_2, static_cast<double>(step))))) {}
};

namespace detail {

/// One packet of Adam: moments are updated, the gradient becomes the normalised direction.
template <typename Scalar>
void adam_packet(const AdamConstants<Scalar>& c, Scalar* exp_avg, Scalar* exp_avg_sq,
                 Scalar* direction) {
  using P = Packets<Scalar>;
  const auto g = P::load(direction);
  const auto m = P::fma(P::set(c.beta1), P::load(exp_avg),
                        Eigen::internal::pmul(P::set(c.one_minus_beta1), g));
  const auto scaled = Eigen::internal::pmul(P::set(c.one_minus_beta2), g);
  const auto v = P::fma(P::set(c.beta2), P::load(exp_avg_sq), Eigen::internal::pmul(scaled, g));
  P::store(exp_avg, m);
  P::store(exp_avg_sq, v);
  const auto root = Eigen::internal::psqrt(Eigen::internal::pmul(v, P::set(c.correction2)));
  P::store(direction, Eigen::internal::pdiv(Eigen::internal::pmul(m, P::set(c.correction1)),
                                            Eigen::internal::padd(root, P::set(c.eps))));
}

}  // namespace detail

/// Adam on `width` consecutive elements: direction <- m_hat / (sqrt(v_hat) + eps) of the gradient
/// that it holds, exp_avg and exp_avg_sq updated.
///
///     exp_avg = beta1 exp_avg + (1 - beta1) g      exp_avg_sq = beta2 exp_avg_sq + (1 - beta2) g^2
///
/// \tparam Storage  Scalar or bfloat16. exp_avg_sq in bfloat16 is rounded stochastically with the
///         bits of (rounding_key, first_element + i), so that it decays (round_stochastic says why)
///         whatever the tiling and the number of threads; exp_avg is rounded to nearest.
/// \cost   about 11 flops, 2 reads and 2 writes of the moments per element; no heap.
/// \ref    Loshchilov & Hutter, arXiv:1711.05101v3, algorithm 2.
template <typename Scalar, typename Storage>
void adam_row(const AdamConstants<Scalar>& constants, Storage* exp_avg, Storage* exp_avg_sq,
              Scalar* direction, Index width, std::uint64_t rounding_key,
              std::uint64_t first_element) {
  constexpr Index kSize = detail::Packets<Scalar>::kSize;
  Index i = 0;
  if constexpr (std::is_same_v<Scalar, Storage>) {
    for (; i + kSize <= width; i += kSize)
      detail::adam_packet(constants, exp_avg + i, exp_avg_sq + i, direction + i);
  }
  // Other storage, and the ragged end: through packets of our own, so that every element sees the
  // same arithmetic.
  for (; i < width; i += kSize) {
    Scalar m[kSize] = {}, v[kSize] = {}, d[kSize] = {};
    const Index count = std::min(kSize, width - i);
    for (Index k = 0; k < count; ++k) {
      m[k] = static_cast<Scalar>(exp_avg[i + k]);
      v[k] = static_cast<Scalar>(exp_avg_sq[i + k]);
      d[k] = direction[i + k];
    }
    detail::adam_packet(constants, m, v, d);
    for (Index k = 0; k < count; ++k) {
      direction[i + k] = d[k];
      exp_avg[i + k] = static_cast<Storage>(m[k]);
      if constexpr (std::is_same_v<Storage, bfloat16>) {
        const auto element = first_element + static_cast<std::uint64_t>(i + k);
        exp_avg_sq[i + k] = round_stochastic(static_cast<float>(v[k]),
                                             element_bits(rounding_key, element));
      } else {
        exp_avg_sq[i + k] = static_cast<Storage>(v[k]);
      }
    }
  }
}

LORAPRO_NAMESPACE_END

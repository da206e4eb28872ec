// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/linalg/product.hpp>

namespace bench {

using lorapro::Index;

/// Enough independent chains to hide the latency of a fused multiply-add (4 to 5 cycles, two a
/// cycle), few enough for the 16 registers of AVX2.
inline constexpr Index kFmaChains = 12;
inline constexpr Index kFmaRounds = 100000;

/// Flops of one call of fma_loop.
template <typename Scalar>
constexpr double fma_loop_flops() {
  return 2.0 * kFmaChains * kFmaRounds * lorapro::detail::Packets<Scalar>::kSize;
}

/// x <- a x + b in registers only: the peak of one core.
template <typename Scalar>
void fma_loop() {
  using P = lorapro::detail::Packets<Scalar>;
  // The compiler must neither know the values nor find two equal chains.
  volatile Scalar half = Scalar(0.5);
  const auto factor = P::set(half), term = P::set(half);
  typename P::Packet x[kFmaChains];
  for (Index i = 0; i < kFmaChains; ++i) x[i] = P::set(half * static_cast<Scalar>(i));
  for (Index round = 0; round < kFmaRounds; ++round)
    for (Index i = 0; i < kFmaChains; ++i) x[i] = P::fma(factor, x[i], term);
  Scalar sum = 0;
  for (Index i = 0; i < kFmaChains; ++i) sum += P::sum(x[i]);
  half = sum;
}

/// m <- a m + c and v <- b v + c, in place: the memory traffic of Adam's moments, 16 bytes a
/// position.
inline void update_two(float* m, float* v, Index size, float c) {
  for (Index i = 0; i < size; ++i) {
    m[i] = 0.9F * m[i] + c;
    v[i] = 0.999F * v[i] + c;
  }
}

}  // namespace bench

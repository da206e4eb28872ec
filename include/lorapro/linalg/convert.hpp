// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/linalg/packet.hpp>

#include <type_traits>  // std::is_same_v

LORAPRO_NAMESPACE_BEGIN

/// to[i] = from[i], rounded to nearest, of `count` consecutive elements that do not overlap.
template <typename From, typename To>
void convert(const From* from, Index count, To* to) {
  Index i = 0;
#if defined(EIGEN_VECTORIZE_AVX512)
  // Compilers convert half a register at a time unless they are told otherwise.
  if constexpr (std::is_same_v<From, float> && std::is_same_v<To, double>) {
    for (; i + 8 <= count; i += 8)
      _mm512_storeu_pd(to + i, _mm512_cvtps_pd(_mm256_loadu_ps(from + i)));
  } else if constexpr (std::is_same_v<From, double> && std::is_same_v<To, float>) {
    for (; i + 8 <= count; i += 8)
      _mm256_storeu_ps(to + i, _mm512_cvtpd_ps(_mm512_loadu_pd(from + i)));
  }
#endif
  for (; i < count; ++i) to[i] = static_cast<To>(from[i]);
}

LORAPRO_NAMESPACE_END

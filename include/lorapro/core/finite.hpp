// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/numeric.hpp>

#include <cstdint>      // std::uint16_t, std::uint32_t, std::uint64_t
#include <cstring>      // std::memcpy
#include <type_traits>  // std::conditional_t

LORAPRO_NAMESPACE_BEGIN

/// \file
/// Tests for NaN and infinity that hold under -ffast-math (-Ofast, -ffinite-math-only). There a
/// compiler may take every result of arithmetic and every argument of floating type for finite, and
/// decides comparisons, sums and bit patterns of such values before the program runs. So what is
/// tested are integers, from the load of the stored bits to the decision, and an empty asm hides
/// from the optimiser where bits come from that were computed just before.

#if !defined(__GNUC__) && \
    (defined(_M_FP_FAST) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__))
#error "lorapro: this compiler may drop the tests for NaN: add -fno-finite-math-only (/fp:precise)"
#endif

namespace detail {

/// Unsigned integer of the size of T.
template <typename T>
using FloatBits = std::conditional_t<sizeof(T) == 2, std::uint16_t,
                                     std::conditional_t<sizeof(T) == 4, std::uint32_t,  //
                                                        std::uint64_t>>;

/// The bits of +infinity, those of the exponent: the bits of |x| are below them if x is finite, are
/// they for an infinity and above them for a NaN.
template <typename T>
constexpr FloatBits<T> infinity_bits() {
  static_assert(is_storage_scalar_v<T>, "T must be float, double, bfloat16 or half");
  if constexpr (std::is_same_v<T, double>) return 0x7ff0000000000000ULL;
  if constexpr (std::is_same_v<T, float>) return 0x7f800000U;
  if constexpr (std::is_same_v<T, bfloat16>) return 0x7f80U;
  return 0x7c00U;
}

/// Memory that the optimiser has to take for unknown from here on.
template <typename T>
const T* unknown_memory(const T* data) {
#if defined(__GNUC__)
  asm("" : "+r"(data) : : "memory");
#endif
  return data;
}

/// Bits that the optimiser has to take for unknown.
inline std::uint64_t unknown_bits(std::uint64_t bits) {
#if defined(__GNUC__)
  asm("" : "+rm"(bits));
#endif
  return bits;
}

/// The bits of |value|, unknown to the optimiser.
inline std::uint64_t magnitude_bits(double value) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return unknown_bits(bits) & ~(std::uint64_t{1} << 63);
}

/// |value| < limit, false for a NaN. \param limit  finite, > 0.
inline bool is_below(double value, double limit) {
  return magnitude_bits(value) < magnitude_bits(limit);
}

/// A quiet NaN, for results that are documented not to be finite.
inline double not_a_number() {
  const std::uint64_t bits = unknown_bits(0x7ff8000000000000ULL);
  double value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// The magnitude |x| of an element, as bits: their order is that of the magnitudes.
template <typename T>
struct Magnitude {
  FloatBits<T> bits = 0;

  bool is_finite() const { return bits < infinity_bits<T>(); }
  /// \pre is_finite().
  double value() const {
    T magnitude;
    std::memcpy(&magnitude, &bits, sizeof magnitude);
    return static_cast<double>(magnitude);
  }
  /// The larger of both stays.
  void include(Magnitude other) { bits = bits < other.bits ? other.bits : bits; }
};

}  // namespace detail

/// Whether the value is neither NaN nor infinite, also under -ffast-math.
inline bool is_finite(double value) {
  return detail::magnitude_bits(value) < detail::infinity_bits<double>();
}

LORAPRO_NAMESPACE_END

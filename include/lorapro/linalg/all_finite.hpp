// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/finite.hpp>
#include <lorapro/linalg/panel.hpp>

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// Of the bits of an element: the highest bit is set if it is not finite. Adding the lowest bit of
/// the exponent carries out of an exponent of ones alone; unlike a comparison it takes two plain
/// instructions on every instruction set.
template <typename T, typename Bits>
LORAPRO_ALWAYS_INLINE Bits exponent_carry(Bits bits) {
  constexpr FloatBits<T> kExponent = infinity_bits<T>();
  constexpr auto kAbove = static_cast<FloatBits<T>>(~kExponent);
  constexpr auto kLowest = static_cast<FloatBits<T>>(kExponent & (kAbove + 1U));
  return static_cast<Bits>((bits & kExponent) + kLowest);
}

}  // namespace detail

/// Whether `count` consecutive elements are neither NaN nor infinite, by their stored bits (see
/// core/finite.hpp): so also under -ffast-math. \tparam T  float, double, bfloat16 or half.
/// \cost reads each element once; no heap.
template <typename T>
bool all_finite(const T* values, Index count) {
  using Bits = detail::FloatBits<T>;
  constexpr Index kLanes = static_cast<Index>(detail::kPacketBytes / sizeof(Bits));
  constexpr Index kChains = 2;
  using Lanes = detail::IntegerLanes<Bits, kLanes>;
  values = detail::unknown_memory(values);
  Lanes carries[kChains] = {};
  Index i = 0;
  for (; i + kChains * kLanes <= count; i += kChains * kLanes) {
    LORAPRO_UNROLL
    for (Index k = 0; k < kChains; ++k) {
      Lanes lanes;
      std::memcpy(&lanes, values + i + k * kLanes, sizeof lanes);
      carries[k] |= detail::exponent_carry<T>(lanes);
    }
  }
  const Lanes both = carries[0] | carries[1];
  Bits carry = 0;
  for (Index lane = 0; lane < kLanes; ++lane) carry = static_cast<Bits>(carry | both[lane]);
  for (; i < count; ++i) {
    Bits bits;
    std::memcpy(&bits, values + i, sizeof bits);
    carry = static_cast<Bits>(carry | detail::exponent_carry<T>(bits));
  }
  return (carry >> (8 * sizeof(Bits) - 1)) == 0;
}

/// The same of one panel of a factor, in its own memory. \cost reads each element once; no heap.
inline bool panel_is_finite(const FactorView& factor, const PanelLayout& layout, Index panel) {
  return visit_storage_type(factor.type, [&](auto zero) {
    using T = decltype(zero);
    const T* const first = detail::address<T>(factor, layout, panel);
    const Index row_stride = layout.row_stride(factor), step = layout.element_stride(factor);
    const Index rows = layout.rows(panel), length = layout.row_length(panel);
    // Consecutive rows count as one.
    if (step == 1 && row_stride == length) return all_finite(first, rows * length);
    for (Index i = 0; i < rows; ++i) {
      const T* const row = first + i * row_stride;
      if (step == 1) {
        if (!all_finite(row, length)) return false;
      } else {
        for (Index k = 0; k < length; ++k)
          if (!all_finite(row + k * step, 1)) return false;
      }
    }
    return true;
  });
}

LORAPRO_NAMESPACE_END

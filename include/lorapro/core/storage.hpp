// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/finite.hpp>

#include <cstdint>  // std::uint32_t

LORAPRO_NAMESPACE_BEGIN

/// Element type of a buffer whose type is known at run time only.
enum class StorageType { f32, f64, bf16, f16 };

template <typename T>
constexpr StorageType storage_type() {
  static_assert(is_storage_scalar_v<T>, "T must be float, double, bfloat16 or half");
  if constexpr (std::is_same_v<T, float>) return StorageType::f32;
  if constexpr (std::is_same_v<T, double>) return StorageType::f64;
  if constexpr (std::is_same_v<T, bfloat16>) return StorageType::bf16;
  return StorageType::f16;
}

/// Calls `f(T{})` with the T that `type` stands for.
template <typename F>
decltype(auto) visit_storage_type(StorageType type, F&& f) {
  switch (type) {
    case StorageType::f32:
      return f(float{});
    case StorageType::f64:
      return f(double{});
    case StorageType::bf16:
      return f(bfloat16{});
    default:
      return f(half{});
  }
}

inline double storage_epsilon(StorageType type) {
  return visit_storage_type(type, [](auto zero) { return storage_epsilon<decltype(zero)>(); });
}

inline std::size_t storage_bytes(StorageType type) {
  return visit_storage_type(type, [](auto zero) { return sizeof(zero); });
}

/// Rounds to one of the two bfloat16 neighbours of `value`, up with probability equal to the
/// distance from the lower one in units of their gap: the expected value is `value`.
/// \param bits  16 random bits (the upper ones are ignored).
/// Why: exp_avg_sq decays by 0.1 % a step and a bfloat16 has 8 significant bits, so rounding to
/// nearest gives the old value back and it never decays.
inline bfloat16 round_stochastic(float value, std::uint32_t bits) {
  std::uint32_t word = 0;
  std::memcpy(&word, &value, sizeof word);
  constexpr std::uint32_t kExponent = 0x7f800000U;
  const std::uint32_t rounded = word + (bits & 0xffffU);
  // Not finite, or carried into infinity: keep the truncated value (which is the value itself for
  // infinities and a NaN stays a NaN through the ordinary conversion).
  if ((word & kExponent) == kExponent) return bfloat16(value);
  const std::uint32_t kept = (rounded & kExponent) == kExponent ? word : rounded;
  return Eigen::numext::bit_cast<bfloat16>(static_cast<std::uint16_t>(kept >> 16));
}

LORAPRO_NAMESPACE_END

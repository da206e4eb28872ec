// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/numeric.hpp>

#include <cstddef>  // std::size_t
#include <cstdint>  // std::uint8_t

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// The unsigned integer with as many bytes as T.
template <std::size_t Bytes>
using UnsignedOf = std::conditional_t<
    Bytes == 1, std::uint8_t,
    std::conditional_t<Bytes == 2, std::uint16_t,
                       std::conditional_t<Bytes == 4, std::uint32_t, std::uint64_t>>>;

}  // namespace detail

/// A number of sizeof(T) bytes, least significant first, at any address and on any machine.
/// \tparam T  an integer, float, double, bfloat16 or half.
template <typename T>
T load_little_endian(const std::uint8_t* bytes) {
  using Bits = detail::UnsignedOf<sizeof(T)>;
  Bits bits = 0;
  for (std::size_t k = 0; k < sizeof(T); ++k)
    bits = static_cast<Bits>(bits | static_cast<Bits>(static_cast<Bits>(bytes[k]) << (8 * k)));
  return Eigen::numext::bit_cast<T>(bits);
}

/// The opposite of load_little_endian.
template <typename T>
void store_little_endian(T value, std::uint8_t* bytes) {
  const auto bits = Eigen::numext::bit_cast<detail::UnsignedOf<sizeof(T)>>(value);
  for (std::size_t k = 0; k < sizeof(T); ++k) bytes[k] = static_cast<std::uint8_t>(bits >> (8 * k));
}

LORAPRO_NAMESPACE_END

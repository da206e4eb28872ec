// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/numeric.hpp>

#include <cmath>    // std::sqrt, std::log, std::cos
#include <cstdint>  // std::uint32_t, std::uint64_t

LORAPRO_NAMESPACE_BEGIN

/// SplitMix64 with random access: the value at `counter` of the stream `key`. Having no state, it
/// gives the same numbers whatever the threads, the order of evaluation or a resume.
/// \ref Steele, Lea, Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
inline std::uint64_t random_bits(std::uint64_t key, std::uint64_t counter) {
  std::uint64_t z = key + (counter + 1) * 0x9e3779b97f4a7c15ULL;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

/// A new key from a key and a number, for nested streams: derive(derive(seed, step), pair).
inline std::uint64_t derive_key(std::uint64_t key, std::uint64_t number) {
  return random_bits(key ^ 0x6a09e667f3bcc909ULL, number);
}

/// Uniform in [0, 1), 53 bits.
inline double random_uniform(std::uint64_t key, std::uint64_t counter) {
  return static_cast<double>(random_bits(key, counter) >> 11) * 0x1.0p-53;
}

/// Standard normal by Box and Muller; uses counters 2 c and 2 c + 1.
inline double random_normal(std::uint64_t key, std::uint64_t counter) {
  constexpr double kTwoPi = 6.283185307179586;
  const double u = 1.0 - random_uniform(key, 2 * counter);
  const double v = random_uniform(key, 2 * counter + 1);
  return std::sqrt(-2.0 * std::log(u)) * std::cos(kTwoPi * v);
}

namespace detail {

/// A 32-bit mixer on lanes or on one number: two 32-bit multiplications, so that it vectorises on
/// every instruction set.
template <typename Lanes>
inline Lanes element_bits_of(std::uint64_t row_key, Lanes col) {
  Lanes x = col * 0x9e3779b9U + static_cast<std::uint32_t>(row_key);
  x = (x ^ (x >> 16)) * 0x7feb352dU + static_cast<std::uint32_t>(row_key >> 32);
  x = (x ^ (x >> 15)) * 0x846ca68bU;
  return x ^ (x >> 16);
}

}  // namespace detail

/// Key of the rows 2 i and 2 i + 1 of a matrix, for rounding_bits.
inline std::uint64_t row_pair_key(std::uint64_t key, Index row) {
  return derive_key(key, static_cast<std::uint64_t>(row / 2));
}

/// 16 random bits of the element (row, col) of a matrix, for stochastic rounding: a function of the
/// key and the position alone, so that tiles, threads and a resume do not change them. The two rows
/// of a pair share a number, the even one takes its lower half.
inline std::uint32_t rounding_bits(std::uint64_t key, Index row, std::uint32_t col) {
  const auto both = detail::element_bits_of<std::uint32_t>(row_pair_key(key, row), col);
  return row % 2 == 0 ? both & 0xffffU : both >> 16;
}

LORAPRO_NAMESPACE_END

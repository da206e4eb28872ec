// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/numeric.hpp>

LORAPRO_NAMESPACE_BEGIN

/// One of the two factors of a pair.
enum class Side { A, B };

/// Both, in the order in which everything is summed and reported.
inline constexpr Side kSides[] = {Side::A, Side::B};

constexpr Side other(Side side) { return side == Side::A ? Side::B : Side::A; }

/// One T of either factor. Iterates over A, then B.
template <typename T>
struct PerSide {
  T A{};
  T B{};

  constexpr T& operator[](Side side) { return side == Side::A ? A : B; }
  constexpr const T& operator[](Side side) const { return side == Side::A ? A : B; }

  template <typename Owner>
  struct Iterator {
    Owner* owner;
    int index;
    constexpr auto& operator*() const { return (*owner)[kSides[index]]; }
    constexpr Iterator& operator++() {
      ++index;
      return *this;
    }
    constexpr bool operator!=(const Iterator& other) const { return index != other.index; }
  };
  constexpr Iterator<PerSide> begin() { return {this, 0}; }
  constexpr Iterator<PerSide> end() { return {this, 2}; }
  constexpr Iterator<const PerSide> begin() const { return {this, 0}; }
  constexpr Iterator<const PerSide> end() const { return {this, 2}; }
};

LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/core/numeric.hpp>  // Index
#include <Eigen/Core>
#include <cstring>  // std::memcpy

namespace examples::llm {

using lorapro::Index;

/// Numbers that are computed together: 64 bytes, whatever the instruction set. Eigen's own loops
/// over arrays of a length that is not known begin where memory is aligned, so that the bits of an
/// exponential would depend on addresses.
template <typename Scalar>
inline constexpr Index kLanes = 64 / static_cast<Index>(sizeof(Scalar));

template <typename Scalar>
using Lanes = Eigen::Array<Scalar, static_cast<int>(kLanes<Scalar>), 1>;

/// kLanes numbers in memory.
template <typename Scalar>
struct FullLanes {
  static Lanes<Scalar> load(const Scalar* from) { return Eigen::Map<const Lanes<Scalar>>(from); }
  static void store(Scalar* to, const Lanes<Scalar>& values) {
    Eigen::Map<Lanes<Scalar>> map(to);
    map = values;
  }
};

/// The last `count` numbers of a row; the other lanes are 0.
template <typename Scalar>
struct FirstLanes {
  std::size_t count;

  Lanes<Scalar> load(const Scalar* from) const {
    Lanes<Scalar> out = Lanes<Scalar>::Zero();
    std::memcpy(out.data(), from, count * sizeof(Scalar));
    return out;
  }
  void store(Scalar* to, const Lanes<Scalar>& values) const {
    std::memcpy(to, values.data(), count * sizeof(Scalar));
  }
};

/// Calls body(k, lanes) for the positions k = 0, kLanes, ... of a row of `count` numbers.
template <typename Scalar, typename Body>
void for_lanes(Index count, const Body& body) {
  Index k = 0;
  for (; k + kLanes<Scalar> <= count; k += kLanes<Scalar>) body(k, FullLanes<Scalar>{});
  if (k < count) body(k, FirstLanes<Scalar>{static_cast<std::size_t>(count - k)});
}

}  // namespace examples::llm

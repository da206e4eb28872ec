// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <Eigen/Core>
#include <cstdint>
#include <numeric>  // std::iota
#include <random>
#include <utility>  // std::swap
#include <vector>

// The distributions and std::shuffle of the standard library differ between its implementations;
// these give the same numbers for a seed everywhere.
namespace examples {

using RandomEngine = std::mt19937_64;

/// Uniform in [low, high).
inline float uniform(RandomEngine& engine, float low, float high) {
  constexpr float kUnit = 1.0F / static_cast<float>(std::uint32_t{1} << 24);
  return low + (high - low) * (static_cast<float>(engine() >> 40) * kUnit);
}

/// 0, 1, ..., count - 1 in random order.
inline std::vector<Eigen::Index> permutation(Eigen::Index count, RandomEngine& engine) {
  std::vector<Eigen::Index> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), Eigen::Index{0});
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[engine() % i]);  // the bias of % is below 2^-40 here
  }
  return order;
}

}  // namespace examples

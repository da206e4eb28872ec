// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/core/parallel.hpp>
#include <Eigen/Core>
#include <algorithm>  // std::min

namespace examples::nn {

using lorapro::Index;

/// The number of threads of all layers; a program sets it once, before it trains.
inline int& thread_setting() {
  static int threads = 1;
  return threads;
}

/// \param threads  0 for all cores; 1 without OpenMP.
/// Products are the library's, and what else layers do is cut into blocks, always the same ones, so
/// that a result does not depend on the number of threads. Products of Eigen's stay on one thread,
/// as others would change it.
inline void set_threads(int threads) {
  thread_setting() = lorapro::thread_count(threads);
  Eigen::setNbThreads(1);
}

/// Calls body(first, size) for the blocks of `block` out of `count` things, in parallel.
template <typename Body>
void for_blocks(Index count, Index block, const Body& body) {
  lorapro::parallel_for(thread_setting(), (count + block - 1) / block, [&](Index index, int) {
    const Index first = index * block;
    body(first, std::min(block, count - first));
  });
}

constexpr Index kRowBlock = 128;     // of a batch: large enough for Eigen's products to be fast
constexpr Index kFeatureBlock = 64;  // of the gradient of a bias

}  // namespace examples::nn

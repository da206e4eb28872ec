// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/lora_pro_rule.hpp>

#include <algorithm>  // std::sort, std::min_element
#include <numeric>    // std::iota
#include <vector>     // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace mpi {

namespace detail {

/// Whether a rule keeps moments of W's own shape.
template <typename Rule>
struct HasFullMoments : std::false_type {};
template <typename Storage>
struct HasFullMoments<LoraPro<FullMoments<Storage>>> : std::true_type {};

}  // namespace detail

/// Size of a pair for the balance of ranks, in elements of one moment: m n for full moments,
/// (m + n) r for every other rule. A dense parameter counts by its size.
template <typename Rule>
Index pair_cost(Index out_features, Index in_features, Index rank) {
  return detail::HasFullMoments<Rule>::value ? out_features * in_features
                                             : (out_features + in_features) * rank;
}

/// Gives each parameter to one of `ranks` owners: the largest first, each to the owner that has
/// least so far, of equal ones to the lowest. The same on every rank. No owner gets more than the
/// mean plus the largest cost.
/// \cost O(n log n + n ranks).
/// \ref Graham, SIAM J. Appl. Math. 17(2), 1969 (longest processing time first).
inline std::vector<int> assign_owners(const std::vector<Index>& costs, int ranks) {
  std::vector<std::size_t> order(costs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return costs[a] > costs[b] || (costs[a] == costs[b] && a < b);
  });
  std::vector<Index> loads(static_cast<std::size_t>(ranks));
  std::vector<int> owners(costs.size());
  for (const std::size_t i : order) {
    const auto least = std::min_element(loads.begin(), loads.end());
    *least += costs[i];
    owners[i] = static_cast<int>(least - loads.begin());
  }
  return owners;
}

}  // namespace mpi
LORAPRO_NAMESPACE_END

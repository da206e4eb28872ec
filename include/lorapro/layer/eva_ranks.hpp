// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/error.hpp>
#include <lorapro/core/numeric.hpp>

#include <Eigen/Core>
#include <algorithm>  // std::stable_sort
#include <utility>    // std::pair
#include <vector>     // std::vector

LORAPRO_NAMESPACE_BEGIN

/// Ranks for adapters that start as EVA: the `budget` components that explain most of the variance
/// of their layer's inputs, of all layers, get a rank each. A layer may come out with 0, and is left
/// alone then.
/// \param ratios  of each layer, descending (PrincipalComponents::explained_variance_ratio); as many
///                as its rank may become. EVA takes rho = 2 times the mean rank.
/// \param budget  the sum of the ranks: the mean rank times the layers.
/// \throws ConfigError (budget).
/// \ref Paischer et al., EVA, arXiv:2410.07170, section 3; PEFT, get_eva_state_dict.
inline std::vector<Index> eva_ranks(const std::vector<Eigen::VectorXd>& ratios, Index budget) {
  std::vector<std::pair<double, std::size_t>> components;
  for (std::size_t layer = 0; layer < ratios.size(); ++layer)
    for (Index k = 0; k < ratios[layer].size(); ++k)
      components.emplace_back(ratios[layer](k), layer);
  checks::config(budget >= 0 && budget <= static_cast<Index>(components.size()), "budget",
                 "a number from 0 to that of all components", budget);
  // Of equal ones, the layer that comes first.
  std::stable_sort(components.begin(), components.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<Index> ranks(ratios.size(), 0);
  for (std::size_t k = 0; k < static_cast<std::size_t>(budget); ++k) ++ranks[components[k].second];
  return ranks;
}

LORAPRO_NAMESPACE_END

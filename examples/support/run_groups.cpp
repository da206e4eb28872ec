// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "run_groups.hpp"

#include <set>

namespace examples {

std::vector<RunGroup> group_runs(const std::vector<const Run*>& runs) {
  std::vector<RunGroup> groups;
  for (const Run* run : runs) {
    auto group = groups.begin();
    while (group != groups.end() &&
           !(group->method == run->key.method && group->learning_rate == run->key.learning_rate &&
             group->alpha == run->key.alpha())) {
      ++group;
    }
    if (group == groups.end()) {
      groups.push_back({run->key.method, run->key.learning_rate, run->key.alpha(), {}});
      group = groups.end() - 1;
    }
    group->runs.push_back(run);
  }
  return groups;
}

bool compares_alphas(const std::vector<RunGroup>& groups) {
  std::set<double> alphas;
  for (const auto& group : groups) {
    if (group.alpha) alphas.insert(*group.alpha);
  }
  return alphas.size() > 1;
}

}  // namespace examples

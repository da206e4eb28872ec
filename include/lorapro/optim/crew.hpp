// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/team.hpp>

#include <algorithm>  // std::max
#include <vector>     // std::vector

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// All threads of an optimizer with their scratch. For each parameter it forms a Team of them.
template <typename Scalar>
class Crew {
 public:
  /// Cost of one parameter, in nanoseconds, from which a team of threads is faster than one, and of
  /// all parameters together from which threads that take one parameter each are: to wake threads
  /// up takes some ten microseconds, several times a step.
  static constexpr Index kTeamCost = 1 << 20;
  static constexpr Index kSharedCost = 1 << 18;

  explicit Crew(int threads) : memory_(static_cast<std::size_t>(threads)) {}

  int threads() const { return static_cast<int>(memory_.size()); }

  /// Makes room for one more parameter. What is large needs its shared part once, since such
  /// parameters come one after the other; others may meet on any thread.
  void reserve(const RuleWorkspace& workspace) {
    scratches_.clear();
    for (Memory& thread : memory_) {
      thread.scalars.reserve(workspace.scalars);
      thread.wide.reserve(workspace.wide);
      if (workspace.cost_ns < kTeamCost || scratches_.empty())
        thread.shared.reserve(workspace.shared);
      scratches_.push_back({WorkspaceOf<Scalar>(thread.scalars), WorkspaceOf<Wide>(thread.wide)});
    }
  }

  /// Calls body(index, team) for every index in [0, count) whose cost_of(index) is not negative:
  /// first what is done by all threads together, one after the other, then the rest at the same
  /// time with one thread each. Which is which makes no difference to the bits.
  template <typename CostOf, typename Body>
  void for_each(Index count, const CostOf& cost_of, const Body& body) {
    Index together = 0;
    for (Index index = 0; index < count; ++index) {
      const Index cost = cost_of(index);
      if (cost >= kTeamCost) {
        body(index, Team<Scalar>(scratches_.data(), threads(), shared_of(0)));
      } else {
        together += std::max<Index>(cost, 0);
      }
    }
    parallel_for(together >= kSharedCost ? threads() : 1, count, [&](Index index, int thread) {
      const Index cost = cost_of(index);
      if (cost >= 0 && cost < kTeamCost)
        body(index, Team<Scalar>(&scratches_[static_cast<std::size_t>(thread)], 1,
                                 shared_of(static_cast<std::size_t>(thread))));
    });
  }

 private:
  struct Memory {
    Buffer<Scalar> scalars, shared;
    Buffer<Wide> wide;
  };

  WorkspaceOf<Scalar> shared_of(std::size_t thread) {
    return WorkspaceOf<Scalar>(memory_[thread].shared);
  }

  std::vector<Memory> memory_;
  std::vector<Scratch<Scalar>> scratches_;  // views of it
};

}  // namespace detail

LORAPRO_NAMESPACE_END

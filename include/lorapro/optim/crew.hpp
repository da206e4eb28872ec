// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/rule.hpp>

#include <algorithm>  // std::max
#include <vector>     // std::vector

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// The threads of an optimizer with their scratch, and how they share its parameters.
template <typename Scalar>
class Crew {
 public:
  /// Work of one parameter from which a team of threads is faster than one, and of all parameters
  /// together from which threads that take one parameter each are: to wake threads up takes some
  /// ten microseconds, several times a step. In the units of PairState::work, about a nanosecond.
  static constexpr Index kTeamWork = 1 << 20;
  static constexpr Index kSharedWork = 1 << 18;

  explicit Crew(int threads) : members_(static_cast<std::size_t>(threads)) {}

  int threads() const { return static_cast<int>(members_.size()); }

  /// Makes room for one more parameter, of this work. What is large needs its shared part once,
  /// since such parameters come one after the other; others may meet on any thread.
  void reserve(Index scalars, Index shared, Index wide, Index work) {
    scratches_.clear();
    for (Member& member : members_) {
      const bool with_shared = work < kTeamWork || scratches_.empty();
      member.scalars.reserve(scalars + (with_shared ? shared : 0));
      member.wide.reserve(wide);
      scratches_.push_back({member.scalars.data(), member.wide.data()});
    }
  }

  /// Calls body(index, team) for every index in [0, count) whose work_of(index) is not negative:
  /// first what is done by all threads together, one after the other, then the rest at the same
  /// time with one thread each. Which is which makes no difference to the bits.
  template <typename WorkOf, typename Body>
  void for_each(Index count, const WorkOf& work_of, const Body& body) const {
    Index shared = 0;
    for (Index index = 0; index < count; ++index) {
      const Index work = work_of(index);
      if (work >= kTeamWork) {
        body(index, Team<Scalar>(scratches_.data(), threads()));
      } else {
        shared += std::max<Index>(work, 0);
      }
    }
    parallel_for(shared >= kSharedWork ? threads() : 1, count, [&](Index index, int thread) {
      const Index work = work_of(index);
      if (work >= 0 && work < kTeamWork)
        body(index, Team<Scalar>(&scratches_[static_cast<std::size_t>(thread)], 1));
    });
  }

 private:
  struct Member {
    Buffer<Scalar> scalars;
    Buffer<Wide> wide;
  };

  std::vector<Member> members_;
  std::vector<Scratch<Scalar>> scratches_;  // views of the members' memory
};

}  // namespace detail

LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/team.hpp>

#include <atomic>  // std::atomic
#include <vector>  // std::vector

#include "support/catch.hpp"

namespace {

using lorapro::Index;
using lorapro::Team;
using ThreadScratch = lorapro::Scratch<float>;

TEST_CASE("a team covers every index once and cuts by size alone", "[team]") {
  const std::vector<ThreadScratch> scratches(2);
  for (const Index count : {1, 2, 63, 64, 65, 129, 1000}) {
    CAPTURE(count);
    std::vector<std::vector<Index>> cuts;
    for (const int threads : {1, 2}) {
      std::vector<std::atomic<int>> seen(static_cast<std::size_t>(count));
      std::vector<Index> ends(Team<float>::kMaxPieces, -1);
      Team<float>(scratches.data(), threads)
          .parallel_ranges(count, [&](Index piece, Index first, Index last, const ThreadScratch&) {
            ends[static_cast<std::size_t>(piece)] = last;
            for (Index i = first; i < last; ++i) ++seen[static_cast<std::size_t>(i)];
          });
      for (const auto& times : seen)
        if (times != 1) FAIL_CHECK(times.load());
      cuts.push_back(ends);
    }
    CHECK(cuts[0] == cuts[1]);
  }
}

TEST_CASE("both sides of a pair are visited once", "[team]") {
  const std::vector<ThreadScratch> scratches(2);
  for (const int threads : {1, 2}) {
    lorapro::PerSide<int> visits;
    Team<float>(scratches.data(), threads)
        .both_sides([&](lorapro::Side side, const ThreadScratch&) { ++visits[side]; });
    CHECK((visits.A == 1 && visits.B == 1));
  }
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/crew.hpp>

#include <vector>  // std::vector

#include "support/catch.hpp"

namespace {

using lorapro::Index;
using lorapro::Team;
using Crew = lorapro::detail::Crew<float>;

/// How often each index is visited.
std::vector<int> visits(Crew& crew, const std::vector<Index>& work) {
  std::vector<int> count(work.size());
  crew.for_each(
      static_cast<Index>(work.size()),
      [&](Index index) { return work[static_cast<std::size_t>(index)]; },
      [&](Index index, const Team<float>&) { ++count[static_cast<std::size_t>(index)]; });
  return count;
}

TEST_CASE("a crew visits once whatever has a cost", "[crew]") {
  const Index team = Crew::kTeamCost;
  for (const int threads : {1, 2, 3}) {
    Crew crew(threads);
    crew.reserve({1, 1, 1, 0});
    CHECK(visits(crew, {}).empty());
    CHECK(visits(crew, {0, -1, 5}) == std::vector<int>{1, 0, 1});
    CHECK(visits(crew, {0, -1, team, 2 * team, 5, team - 1}) == std::vector<int>{1, 0, 1, 1, 1, 1});
    CHECK(visits(crew, std::vector<Index>(20, team)) == std::vector<int>(20, 1));
  }
}

TEST_CASE("teams come first and small parameters follow", "[crew]") {
  Crew crew(1);
  crew.reserve({1, 1, 0, 0});
  std::vector<Index> order;
  const auto note = [&](Index index, const Team<float>&) { order.push_back(index); };
  const std::vector<Index> work{3, 2 * Crew::kTeamCost, Crew::kTeamCost, 4, Crew::kTeamCost - 1};
  crew.for_each(
      5, [&](Index index) { return work[static_cast<std::size_t>(index)]; }, note);
  CHECK(order == std::vector<Index>{1, 2, 0, 3, 4});
}

TEST_CASE("threads are not woken up for little", "[crew]") {
  Crew crew(2);
  crew.reserve({1, 1, 0, 0});
  // Of one thread: in order, and with its scratch.
  std::vector<Index> order;
  const float* scratch = nullptr;
  crew.for_each(
      8, [](Index) { return Crew::kSharedCost / 8 - 1; },
      [&](Index index, const Team<float>& team) {
        order.push_back(index);
        const float* const own = team.own().scalars.vector(1);
        CHECK((index == 0 || own == scratch));
        scratch = own;
      });
  CHECK(order == std::vector<Index>{0, 1, 2, 3, 4, 5, 6, 7});
}

TEST_CASE("every thread has room for a small parameter, the first for a large one", "[crew]") {
  Crew crew(2);
  crew.reserve({10, 20, 1000, Crew::kTeamCost});
  crew.reserve({30, 5, 100, 0});
  crew.for_each(
      2, [](Index index) { return index == 0 ? Crew::kTeamCost : Index{0}; },
      [](Index index, const Team<float>& team) {
        const Index size = index == 0 ? 1000 : 100;
        float* const scalars = team.own().scalars.vector(30);
        float* const shared = team.shared().vector(size);
        double* const wide = team.own().wide.vector(20);
        for (Index i = 0; i < 30; ++i) scalars[i] += 1;  // memory errors show under ASan
        for (Index i = 0; i < size; ++i) shared[i] += 1;
        for (Index i = 0; i < 20; ++i) wide[i] += 1;
        CHECK(scalars[0] >= 1);
      });
}

}  // namespace

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
std::vector<int> visits(const Crew& crew, const std::vector<Index>& work) {
  std::vector<int> count(work.size());
  crew.for_each(
      static_cast<Index>(work.size()),
      [&](Index index) { return work[static_cast<std::size_t>(index)]; },
      [&](Index index, const Team<float>&) { ++count[static_cast<std::size_t>(index)]; });
  return count;
}

TEST_CASE("a crew visits once whatever has work", "[crew]") {
  const Index team = Crew::kTeamWork, large = Crew::kLargeWork;
  for (const int threads : {1, 2, 3}) {
    Crew crew(threads);
    crew.reserve(1, 1, 1, 0);
    CHECK(visits(crew, {}).empty());
    CHECK(visits(crew, {0, -1, team, large, 5, team - 1, large - 1}) ==
          std::vector<int>{1, 0, 1, 1, 1, 1, 1});
    CHECK(visits(crew, std::vector<Index>(20, team)) == std::vector<int>(20, 1));
  }
}

TEST_CASE("teams come first and small parameters follow", "[crew]") {
  Crew crew(1);
  crew.reserve(1, 0, 1, 0);
  std::vector<Index> order;
  const auto note = [&](Index index, const Team<float>&) { order.push_back(index); };
  const std::vector<Index> few{3, Crew::kLargeWork, Crew::kTeamWork, 4};
  const auto work_of = [](const std::vector<Index>& work) {
    return [&work](Index index) { return work[static_cast<std::size_t>(index)]; };
  };
  crew.for_each(4, work_of(few), note);
  CHECK(order == std::vector<Index>{1, 2, 0, 3});
  // Two middling parameters are enough for one thread: each is done by a thread alone.
  order.clear();
  const std::vector<Index> many{Crew::kTeamWork, Crew::kTeamWork, Crew::kLargeWork};
  crew.for_each(3, work_of(many), note);
  CHECK(order == std::vector<Index>{2, 0, 1});
}

TEST_CASE("every thread has room for a small parameter, the first for a large one", "[crew]") {
  Crew crew(2);
  crew.reserve(10, 1000, 20, Crew::kLargeWork);
  crew.reserve(30, 100, 5, 0);
  crew.for_each(
      2, [](Index index) { return index == 0 ? Crew::kLargeWork : Index{0}; },
      [](Index index, const Team<float>& team) {
        const Index shared = index == 0 ? 1000 : 100;
        float* const scalars = team.own().scalars;
        for (Index i = 0; i < 10 + shared; ++i) scalars[i] += 1;  // memory errors show under ASan
        for (Index i = 0; i < 20; ++i) team.own().wide[i] += 1;
        CHECK(scalars[0] >= 1);
      });
}

}  // namespace

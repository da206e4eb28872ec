// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/core/parallel.hpp>

#include <atomic>  // std::atomic
#include <vector>  // std::vector

#include "support/catch.hpp"

namespace {

using lorapro::Index;

TEST_CASE("parallel_for visits every index once", "[parallel]") {
  for (const int threads : {0, 1, 2, 5})
    for (const Index count : {0, 1, 2, 100}) {
      CAPTURE(threads, count);
      std::vector<std::atomic<int>> visits(static_cast<std::size_t>(count));
      std::atomic<bool> known_thread{true};
      lorapro::parallel_for(threads, count, [&](Index index, int thread) {
        ++visits[static_cast<std::size_t>(index)];
        if (thread < 0 || thread >= lorapro::thread_count(threads)) known_thread = false;
      });
      CHECK(known_thread);
      for (const auto& visit : visits) CHECK(visit == 1);
    }
}

TEST_CASE("one thread runs in order on the calling thread", "[parallel]") {
  std::vector<Index> order;
  lorapro::parallel_for(1, 5, [&](Index index, int thread) {
    CHECK(thread == 0);
    order.push_back(index);
  });
  CHECK(order == std::vector<Index>{0, 1, 2, 3, 4});
}

TEST_CASE("thread_count is what a request gets", "[parallel]") {
  CHECK(lorapro::thread_count(1) == 1);
  CHECK(lorapro::thread_count(0) >= 1);
#ifdef _OPENMP
  CHECK(lorapro::thread_count(3) == 3);
#else
  CHECK(lorapro::thread_count(3) == 1);
  CHECK(lorapro::thread_count(0) == 1);
#endif
}

}  // namespace

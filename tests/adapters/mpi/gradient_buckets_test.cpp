// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adapters/mpi/gradient_buckets.hpp>

#include "adapters/mpi/replica_model.hpp"

namespace {

using lorapro::Index;
using lorapro::mpi::Communicator;
using lorapro::mpi::GradientBuckets;

TEST_CASE("a bucket ends with the block that fills it", "[mpi]") {
  const Communicator communicator(MPI_COMM_WORLD);
  const std::vector<Index> sizes{3, 5, 2, 20, 1, 1};
  const auto buckets_of = [&](Index bytes) {
    const GradientBuckets<float> buckets(communicator, sizes, bytes);
    std::vector<std::size_t> numbers;
    for (std::size_t i = 0; i < sizes.size(); ++i) numbers.push_back(buckets.bucket_of(i));
    CHECK(buckets.bytes() == 32 * 4);
    CHECK(buckets.bucket_count() == numbers.back() + 1);
    return numbers;
  };
  using Numbers = std::vector<std::size_t>;
  CHECK(buckets_of(1) == Numbers{0, 1, 2, 3, 4, 5});
  CHECK(buckets_of(32) == Numbers{0, 0, 1, 1, 2, 2});
  CHECK(buckets_of(33) == Numbers{0, 0, 0, 1, 2, 2});
  CHECK(buckets_of(1000) == Numbers{0, 0, 0, 0, 0, 0});
}

TEST_CASE("sums arrive whatever order blocks are ready in", "[mpi]") {
  const Communicator communicator(MPI_COMM_WORLD);
  const std::vector<Index> sizes{3, 1000, 2, 70000, 1};
  GradientBuckets<double> buckets(communicator, sizes, 64);
  const int ranks = communicator.size(), rank = communicator.rank();
  for (int round = 0; round < 3; ++round) {
    CHECK(buckets.begun() == 0);
    if (round == 0) CHECK_THROWS_AS(buckets.wait(), lorapro::StateError);
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      // Another order on every rank.
      const std::size_t block = (i + static_cast<std::size_t>(rank + round)) % sizes.size();
      for (Index k = 0; k < sizes[block]; ++k)
        buckets.block(block)[k] = static_cast<double>((rank + 1) * (k + round + 1));
      CHECK_FALSE(buckets.is_ready(block));
      buckets.ready(block);
      CHECK(buckets.is_ready(block));
      CHECK_THROWS_AS(buckets.ready(block), lorapro::StateError);
    }
    CHECK(buckets.begun() == buckets.bucket_count());
    buckets.wait();
    bool all = true;
    for (std::size_t block = 0; block < sizes.size(); ++block)
      for (Index k = 0; k < sizes[block]; ++k)
        all = all && buckets.block(block)[k] ==
                         static_cast<double>(ranks * (ranks + 1) / 2 * (k + round + 1));
    CHECK(all);
  }
}

TEST_CASE("buckets begin in their order", "[mpi]") {
  const Communicator communicator(MPI_COMM_WORLD);
  GradientBuckets<float> buckets(communicator, {1, 1, 1, 1}, 1);
  buckets.ready(2);
  CHECK(buckets.begun() == 0);
  buckets.ready(0);
  CHECK(buckets.begun() == 1);
  buckets.ready(1);
  CHECK(buckets.begun() == 3);
  buckets.ready(3);
  buckets.wait();
}

TEST_CASE("what has begun may be abandoned", "[mpi]") {
  const Communicator communicator(MPI_COMM_WORLD);
  GradientBuckets<float> buckets(communicator, {100, 100}, 1);
  buckets.ready(0);
  // All ranks go: the destructor waits for what they have begun.
}

TEST_CASE("nothing is summed at once", "[mpi]") {
  const Communicator communicator(MPI_COMM_WORLD);
  GradientBuckets<float> buckets(communicator, {}, 1);
  CHECK(buckets.bucket_count() == 0);
  CHECK_NOTHROW(buckets.wait());
}

}  // namespace

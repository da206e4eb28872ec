// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adapters/mpi/replica_check.hpp>

#include "adapters/mpi/replica_model.hpp"

namespace {

using lorapro::mpi::Communicator;
using lorapro::mpi::ReplicaCheck;

TEST_CASE("the rank that differs from most is named", "[mpi]") {
  const Communicator communicator(MPI_COMM_WORLD);
  ReplicaCheck check(communicator, 3);
  for (std::size_t i = 0; i < 3; ++i) check[i] = 100 + i;
  ReplicaCheck::Difference difference{};
  CHECK(check.same(difference));
  for (int culprit = 0; culprit < communicator.size(); ++culprit) {
    if (communicator.size() == 1) break;
    if (communicator.rank() == culprit) check[1] = check[2] = 7;
    CHECK_FALSE(check.same(difference));
    CHECK(difference.index == 1);
    // Of two, nobody knows which one is right.
    CHECK(difference.rank == (communicator.size() == 2 ? 1 : culprit));
    check[1] = 101;
    check[2] = 102;
  }
  CHECK(check.same(difference));
}

}  // namespace

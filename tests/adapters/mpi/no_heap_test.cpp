// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#define EIGEN_RUNTIME_NO_MALLOC
#include "support/count_allocations.hpp"

#include "adapters/mpi/replica_model.hpp"

namespace {

using namespace mpi_tests;

TEST_CASE("a distributed step takes no heap of its own", "[mpi]") {
  Model<float> replica({4, true, true, true});
  lorapro::mpi::DistributedConfig distributed;
  distributed.check_every = 1;
  distributed.bucket_bytes = 600;
  lorapro::mpi::DistributedOptimizer<float, lorapro::LoraPro<lorapro::FullMoments<float>>>
      optimizer(MPI_COMM_WORLD, options(), distributed);
  replica.attach(optimizer);
  optimizer.distribute();
  replica.set_gradients(1, world_rank(), 1, Numbers::any);
  Index updated = 0;
  CHECK(allocations_of([&] {
          for (int t = 0; t < 3; ++t) {
            optimizer.gradient_ready(lorapro::DenseId{1});
            optimizer.gradient_ready(lorapro::PairId{3});
            updated += optimizer.step().updated;
          }
        }) == 0);
  CHECK(updated == 21);
}

}  // namespace

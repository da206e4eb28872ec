// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adapters/mpi.hpp>
#include <lorapro/lorapro.hpp>

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  bool updated = false;
  {
    float w[] = {1, 2, 3}, g[] = {1, 1, 1};
    lorapro::mpi::DistributedOptimizer<float, lorapro::AdamWRule> optimizer(MPI_COMM_WORLD);
    optimizer.attach(lorapro::DenseView<float>{w, g, 3});
    optimizer.distribute();
    updated = optimizer.step().updated == 1 && w[0] < 1;
  }
  MPI_Finalize();
  return updated ? 0 : 1;
}

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
// One rank of several fails while the others wait for it: fault.cmake looks at how all of them end.
#include <lorapro/adapters/mpi.hpp>
#include <lorapro/lorapro.hpp>

#include <csignal>
#include <string>

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const std::string fault = argc > 1 ? argv[1] : "none";
  lorapro::mpi::abort_on_exception(MPI_COMM_WORLD, [&] {
    float w[4] = {1, 2, 3, 4}, g[4] = {1, 1, 1, 1};
    lorapro::mpi::DistributedOptimizer<float, lorapro::AdamWRule> optimizer(MPI_COMM_WORLD);
    optimizer.attach(lorapro::DenseView<float>{w, g, 4});
    optimizer.distribute();
    for (int step = 0; step < 5; ++step) {
      const bool fails = optimizer.communicator().rank() == 1 && step == 2;
      if (fails) {
        optimizer.begin_all_reduce();  // what is under way must not be waited for
        if (fault == "throw") throw lorapro::StateError("out of data");
        if (fault == "kill") std::raise(SIGKILL);
      }
      if (optimizer.step().updated != 1) throw lorapro::StateError("not updated");
    }
  });
  MPI_Finalize();
}

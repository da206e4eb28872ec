// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

/// \file
/// Every rank runs all tests. Rank 0 prints; the others print what they have when something failed.
#define CATCH_CONFIG_RUNNER
#include "support/catch.hpp"

#include <cstdio>
#include <fstream>
#include <iostream>
#include <mpi.h>
#include <string>

#include "support/scratch_folder.hpp"

int main(int argc, char* argv[]) {
  MPI_Init(&argc, &argv);
  int rank = 0, result = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  {
    const ScratchFolder folder;
    const std::string output = (folder.path() / "output").string();
    if (rank != 0 && std::freopen(output.c_str(), "w", stdout) == nullptr) result = 1;
    if (result == 0) result = Catch::Session().run(argc, argv);
    std::fflush(stdout);
    if (rank != 0 && result != 0)
      std::cerr << "rank " << rank << ":\n" << std::ifstream(output).rdbuf() << std::flush;
  }
  MPI_Allreduce(MPI_IN_PLACE, &result, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  MPI_Finalize();
  return result;
}

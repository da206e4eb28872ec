// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adapters/mpi/communicator.hpp>

#include "adapters/mpi/replica_model.hpp"
#include "support/message_of.hpp"

namespace {

using lorapro::mpi::Communicator;
using lorapro::mpi::together;

TEST_CASE("a communicator is a duplicate of the caller's", "[mpi]") {
  const Communicator communicator(MPI_COMM_WORLD);
  CHECK(communicator.rank() == mpi_tests::world_rank());
  CHECK(communicator.size() == mpi_tests::world_size());
  int result = 0;
  MPI_Comm_compare(communicator.handle(), MPI_COMM_WORLD, &result);
  CHECK(result == MPI_CONGRUENT);
  CHECK(communicator.usable());
  struct Leaves {
    const Communicator own{MPI_COMM_WORLD};
    bool& usable;
    ~Leaves() { usable = own.usable(); }
  };
  bool usable = true;
  try {
    const Leaves leaves{Communicator(MPI_COMM_WORLD), usable};
    throw 1;
  } catch (int) {
  }
  CHECK_FALSE(usable);
}

TEST_CASE("an exception on some ranks ends the call on all", "[mpi]") {
  const Communicator communicator(MPI_COMM_WORLD);
  const int last = communicator.size() - 1;
  int calls = 0;
  CHECK_NOTHROW(together(communicator, [&] { ++calls; }));
  CHECK(calls == 1);
  const auto fails_from = [&](int first) {
    together(communicator, [&] {
      if (communicator.rank() >= first)
        throw lorapro::StateError("no " + std::to_string(communicator.rank()));
    });
  };
  if (communicator.rank() == last) {
    CHECK(message_of<lorapro::StateError>([&] { fails_from(last); }) ==
          "no " + std::to_string(last));
  } else {
    CHECK(message_of<lorapro::PeerError>([&] { fails_from(last); }) ==
          "rank " + std::to_string(last) + ": no " + std::to_string(last));
  }
  CHECK(message_of<lorapro::StateError>([&] { fails_from(0); }) ==
        "no " + std::to_string(communicator.rank()));
}

TEST_CASE("what MPI reports becomes an exception where it is not fatal", "[mpi]") {
  CHECK_NOTHROW(lorapro::mpi::check_call(MPI_SUCCESS, "MPI_Send"));
  const Communicator communicator(MPI_COMM_WORLD);
  MPI_Comm_set_errhandler(communicator.handle(), MPI_ERRORS_RETURN);
  const int code = MPI_Bcast(nullptr, 1, MPI_INT, communicator.size(), communicator.handle());
  CHECK_THAT(message_of<lorapro::MpiError>([&] { lorapro::mpi::check_call(code, "MPI_Bcast"); }),
             contains_text("MPI_Bcast: "));
}

TEST_CASE("counts fit an int or are refused", "[mpi]") {
  CHECK(lorapro::mpi::count_of("bucket", 2147483647) == 2147483647);
  CHECK(message_of<lorapro::MpiError>([] { lorapro::mpi::count_of("bucket", 2147483648); }) ==
        "bucket: expected at most 2^31 - 1 elements in one call, got 2147483648");
}

}  // namespace

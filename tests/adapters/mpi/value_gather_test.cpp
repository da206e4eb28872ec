// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adapters/mpi/value_gather.hpp>

#include "adapters/mpi/replica_model.hpp"

namespace {

using namespace mpi_tests;
using lorapro::mpi::detail::Parameter;
using lorapro::mpi::detail::parameter_of;

TEST_CASE("every rank gets every owner's values", "[mpi]") {
  const lorapro::mpi::Communicator communicator(MPI_COMM_WORLD);
  const int ranks = communicator.size(), rank = communicator.rank();
  PairBuffers<bfloat16> pair(3, 5, 1, 1.0, 2);  // 16 bytes
  RowMatrix<float> odd(1, 3), grad = odd;       // 12, in 16
  std::vector<Parameter> parameters{
      parameter_of(lorapro::DenseView<float>{odd.data(), grad.data(), 3}, "odd"),
      parameter_of(pair.view(), "pair")};
  for (int owner = 0; owner < ranks; ++owner) {
    parameters[0].owner = owner;
    parameters[1].owner = (owner + 1) % ranks;
    lorapro::mpi::detail::ValueGather gather(communicator, parameters);
    CHECK(gather.bytes() == 32);
    odd.setConstant(static_cast<float>(rank));
    pair.A.setConstant(static_cast<bfloat16>(static_cast<float>(rank)));
    pair.B.setConstant(static_cast<bfloat16>(static_cast<float>(rank)));
    gather.gather();
    CHECK(odd == RowMatrix<float>::Constant(1, 3, static_cast<float>(owner)));
    const auto value = static_cast<bfloat16>(static_cast<float>((owner + 1) % ranks));
    CHECK(pair.A == RowMatrix<bfloat16>::Constant(1, 5, value));
    CHECK(pair.B == RowMatrix<bfloat16>::Constant(3, 1, value));
    gather.broadcast();
    CHECK(odd(0, 2) == static_cast<float>(owner));
    odd.setConstant(static_cast<float>(rank));
    gather.broadcast();
    CHECK(odd == RowMatrix<float>::Zero(1, 3));
  }
}

}  // namespace

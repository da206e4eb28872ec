// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/adapters/mpi/communicator.hpp>
#include <algorithm>  // std::min
#include <cstdlib>    // std::getenv

#include "peers.hpp"

namespace examples::llm {

/// Whether a launcher of MPI has started this process.
inline bool started_by_mpi() {
  for (const char* variable : {"OMPI_COMM_WORLD_SIZE", "PMI_RANK", "PMIX_RANK"}) {
    if (std::getenv(variable) != nullptr) return true;
  }
  return false;
}

/// The ranks of MPI. To be made between MPI_Init and MPI_Finalize, and gone by then.
class MpiPeers final : public Peers {
 public:
  /// Collective.
  explicit MpiPeers(MPI_Comm communicator) : communicator_(communicator) {}

  int rank() const override { return communicator_.rank(); }
  int size() const override { return communicator_.size(); }

  /// \throws lorapro::MpiError.
  void sum(float* values, Index count) const override { sum_all(values, count); }
  void sum(double* values, Index count) const override { sum_all(values, count); }
  using Peers::sum;

 private:
  template <typename Scalar>
  void sum_all(Scalar* values, Index count) const {
    constexpr Index kMost = Index{1} << 30;  // MPI counts in int
    for (Index at = 0; at < count; at += kMost) {
      lorapro::mpi::check_call(
          MPI_Allreduce(MPI_IN_PLACE, values + at, static_cast<int>(std::min(kMost, count - at)),
                        lorapro::mpi::datatype<Scalar>(), MPI_SUM, communicator_.handle()),
          "MPI_Allreduce");
    }
  }

  lorapro::mpi::Communicator communicator_;
};

}  // namespace examples::llm

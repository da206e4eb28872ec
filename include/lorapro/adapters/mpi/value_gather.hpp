// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/mpi/communicator.hpp>
#include <lorapro/adapters/mpi/parameter.hpp>

#include <vector>  // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace mpi {
namespace detail {

/// Hands the values of every parameter from its owner to all ranks, in the type that they are
/// stored in: one MPI_Allgatherv.
class ValueGather {
 public:
  /// \param communicator, parameters  have to outlive this; `parameters` is the same on every rank
  /// and keeps its owners. \throws MpiError (more than 2^34 bytes).
  ValueGather(const Communicator& communicator, std::vector<Parameter>& parameters)
      : communicator_(&communicator), parameters_(&parameters) {
    const auto ranks = static_cast<std::size_t>(communicator.size());
    counts_.assign(ranks, 0);
    begins_.assign(ranks, 0);
    offsets_.resize(parameters.size());
    Index end = 0;
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      begins_[rank] = count_of("parameters", end);
      for (std::size_t i = 0; i < parameters.size(); ++i) {
        if (parameters[i].owner != static_cast<int>(rank)) continue;
        offsets_[i] = end;
        const Index bytes =
            parameters[i].size() * static_cast<Index>(storage_bytes(parameters[i].type()));
        end += (bytes + kWord - 1) / kWord;
      }
      counts_[rank] = count_of("parameters", end) - begins_[rank];
    }
    memory_ = Buffer<std::uint64_t>(end);
  }

  /// Bytes of all values.
  Index bytes() const { return memory_.size() * kWord; }

  /// Collective. Every rank gets its owner's values of every parameter.
  void gather() {
    pack([&](const Parameter& parameter) { return parameter.owner == communicator_->rank(); });
    check_call(MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, memory_.data(), counts_.data(),
                              begins_.data(), MPI_UINT64_T, communicator_->handle()),
               "MPI_Allgatherv");
    unpack([&](const Parameter& parameter) { return parameter.owner != communicator_->rank(); });
  }

  /// Collective. Every rank gets the values of rank 0.
  void broadcast() {
    if (communicator_->rank() == 0) pack([](const Parameter&) { return true; });
    check_call(MPI_Bcast(memory_.data(), static_cast<int>(memory_.size()), MPI_UINT64_T, 0,
                         communicator_->handle()),
               "MPI_Bcast");
    if (communicator_->rank() != 0) unpack([](const Parameter&) { return true; });
  }

 private:
  static constexpr Index kWord = sizeof(std::uint64_t);

  template <typename Chooses>
  void pack(const Chooses& chooses) {
    for (std::size_t i = 0; i < parameters_->size(); ++i)
      if (chooses((*parameters_)[i])) (*parameters_)[i].pack_values(memory_.data() + offsets_[i]);
  }
  template <typename Chooses>
  void unpack(const Chooses& chooses) {
    for (std::size_t i = 0; i < parameters_->size(); ++i)
      if (chooses((*parameters_)[i])) (*parameters_)[i].unpack_values(memory_.data() + offsets_[i]);
  }

  const Communicator* communicator_;
  std::vector<Parameter>* parameters_;
  std::vector<int> counts_, begins_;  // of each owner, in words of 8 bytes
  std::vector<Index> offsets_;        // of each parameter, in the same
  Buffer<std::uint64_t> memory_;
};

}  // namespace detail
}  // namespace mpi
LORAPRO_NAMESPACE_END

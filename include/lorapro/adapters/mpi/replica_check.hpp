// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/mpi/communicator.hpp>

#include <cstdint>  // std::uint64_t
#include <vector>   // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace mpi {

/// Compares a list of numbers, one per parameter, over the ranks.
class ReplicaCheck {
 public:
  /// A number that a rank has and most do not.
  struct Difference {
    std::size_t index;  ///< in the list
    int rank;
  };

  /// \param communicator  has to outlive this. \param count  numbers, the same on every rank.
  ReplicaCheck(const Communicator& communicator, std::size_t count)
      : communicator_(&communicator),
        own_(count),
        all_(count * static_cast<std::size_t>(communicator.size())) {
    count_of("parameters", static_cast<Index>(all_.size()));
  }

  std::uint64_t& operator[](std::size_t index) { return own_[index]; }

  /// Collective. Whether all ranks have the same numbers; if not, `difference` is the first one of
  /// the list, and the lowest rank with another one than most ranks (than rank 0, of two that are
  /// equally many) have. Same answer on every rank.
  /// \cost 8 bytes per parameter from every rank to every rank; no heap.
  bool same(Difference& difference) {
    const int count = static_cast<int>(own_.size());
    check_call(MPI_Allgather(own_.data(), count, MPI_UINT64_T, all_.data(), count, MPI_UINT64_T,
                             communicator_->handle()),
               "MPI_Allgather");
    for (std::size_t index = 0; index < own_.size(); ++index) {
      const std::uint64_t common = most_common(index);
      for (int rank = 0; rank < communicator_->size(); ++rank)
        if (at(rank, index) != common) {
          difference = {index, rank};
          return false;
        }
    }
    return true;
  }

 private:
  std::uint64_t at(int rank, std::size_t index) const {
    return all_[static_cast<std::size_t>(rank) * own_.size() + index];
  }

  std::uint64_t most_common(std::size_t index) const {
    std::uint64_t best = at(0, index);
    int best_count = 0;
    for (int rank = 0; rank < communicator_->size(); ++rank) {
      int count = 0;
      for (int other = 0; other < communicator_->size(); ++other)
        count += at(other, index) == at(rank, index) ? 1 : 0;
      if (2 * count >= communicator_->size() && rank == 0) return at(rank, index);
      if (count > best_count) {
        best = at(rank, index);
        best_count = count;
      }
    }
    return best;
  }

  const Communicator* communicator_;
  std::vector<std::uint64_t> own_, all_;
};

}  // namespace mpi
LORAPRO_NAMESPACE_END

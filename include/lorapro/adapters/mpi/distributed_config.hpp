// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/error.hpp>
#include <lorapro/core/numeric.hpp>

LORAPRO_NAMESPACE_BEGIN
namespace mpi {

/// What a step goes by, of the gradients of all ranks.
enum class Reduction {
  mean,  ///< W ranks with a mean loss over b samples each are one rank with W b samples
  sum
};

/// What a NaN or an infinity in the gradient of any rank does.
enum class NonFinite {
  skip,  ///< that pair or dense parameter is left as it is, on every rank
  stop   ///< step() throws PeerError on every rank, and nothing is written
};

struct DistributedConfig {
  Reduction reduction = Reduction::mean;
  NonFinite non_finite = NonFinite::skip;
  /// Gradients are reduced in buckets of about this size, each as soon as it is whole; >= 1.
  Index bucket_bytes = Index{16} << 20;
  /// Compares hashes of all parameters over the ranks after every so many steps; 0: never. Reads
  /// every parameter; costs about 2 ns per element.
  Index check_every = 0;

  /// \throws ConfigError that names the field, what was expected and what came.
  void validate() const {
    checks::config(bucket_bytes >= 1, "bucket_bytes", "a number >= 1", bucket_bytes);
    checks::config(check_every >= 0, "check_every", "a number >= 0", check_every);
  }
};

/// Bytes that a step hands to MPI on each rank.
struct StepTraffic {
  Index reduced = 0;   ///< gradients, in MPI_Iallreduce
  Index measured = 0;  ///< what the owners found, in MPI_Allreduce
  Index gathered = 0;  ///< values of all owners together, in MPI_Allgatherv

  /// Bytes that each of `ranks` ranks sends in a step by the ring algorithms, which move least:
  /// 2 (W - 1) / W of what is reduced and (W - 1) / W of what is gathered.
  double ring_bytes_sent(int ranks) const {
    const double share = (ranks - 1.0) / ranks;
    return share * (2.0 * static_cast<double>(reduced + measured) + static_cast<double>(gathered));
  }
};

/// Wall time of a step's parts on this rank, in milliseconds.
struct StepTimes {
  double reduce = 0;     ///< until the sums were there: what did not overlap with backpropagation
  double optimizer = 0;  ///< measuring, waiting for the other owners' norms, updating
  double gather = 0;     ///< with the comparison of replicas
};

}  // namespace mpi
LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/mpi/communicator.hpp>

#include <vector>  // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace mpi {

/// Sums blocks of numbers over the ranks, several blocks to a bucket, while the caller goes on: one
/// non-blocking MPI_Iallreduce per bucket, begun when its last block is ready. With one call for
/// everything nothing could begin before the last gradient is there, and nothing would overlap.
///
/// MPI matches collective calls by their order, so buckets begin in their order on every rank,
/// whatever order blocks become ready in. Most MPI libraries move bytes only inside calls of MPI:
/// each call here gives them the chance to.
///
/// \tparam Scalar  float or double.
template <typename Scalar>
class GradientBuckets {
 public:
  /// \param communicator  has to outlive this.
  /// \param sizes         elements of each block, in the order in which they are expected.
  /// \param bucket_bytes  a bucket ends with the block that fills it.
  /// \throws MpiError (a bucket of more than 2^31 - 1 elements).
  GradientBuckets(const Communicator& communicator, const std::vector<Index>& sizes,
                  Index bucket_bytes)
      : communicator_(&communicator), ready_(sizes.size(), 0) {
    Index end = 0;
    bool open = false;
    for (std::size_t block = 0; block < sizes.size(); ++block) {
      if (!open) {
        buckets_.push_back({end, 0, 0, 0});
        requests_.push_back(MPI_REQUEST_NULL);
      }
      begins_.push_back(end);
      bucket_of_.push_back(buckets_.size() - 1);
      Bucket& bucket = buckets_.back();
      end += sizes[block];
      bucket.size += sizes[block];
      count_of("bucket", bucket.size);
      ++bucket.blocks;
      open = bucket.size * static_cast<Index>(sizeof(Scalar)) < bucket_bytes;
    }
    memory_ = Buffer<Scalar>(end);
    rewind();
  }
  GradientBuckets(const GradientBuckets&) = delete;
  GradientBuckets& operator=(const GradientBuckets&) = delete;
  ~GradientBuckets() {
    if (next_ == 0) return;
    if (communicator_->usable()) {
      MPI_Waitall(static_cast<int>(next_), requests_.data(), MPI_STATUSES_IGNORE);
    } else {
      // MPI may still write into what was begun, and waiting for other ranks could last for ever.
      static_cast<void>(new Buffer<Scalar>(std::move(memory_)));
    }
  }

  std::size_t bucket_count() const { return buckets_.size(); }
  std::size_t bucket_of(std::size_t block) const { return bucket_of_[block]; }
  /// Bytes of one reduction of everything.
  Index bytes() const { return memory_.size() * static_cast<Index>(sizeof(Scalar)); }
  /// Buckets that have begun.
  std::size_t begun() const { return next_; }
  bool is_ready(std::size_t block) const { return ready_[block] != 0; }

  /// Where a block's numbers go before ready(), and where their sums are after wait().
  Scalar* block(std::size_t block) { return memory_.data() + begins_[block]; }

  /// The block's numbers are in place; begins what is whole. \throws StateError (said before).
  void ready(std::size_t block) {
    if (is_ready(block)) throw StateError("block: expected one that is not ready, got it again");
    ready_[block] = 1;
    --buckets_[bucket_of_[block]].missing;
    while (next_ < buckets_.size() && buckets_[next_].missing == 0) {
      const Bucket& bucket = buckets_[next_];
      check_call(
          MPI_Iallreduce(MPI_IN_PLACE, memory_.data() + bucket.begin, static_cast<int>(bucket.size),
                         datatype<Scalar>(), MPI_SUM, communicator_->handle(), &requests_[next_]),
          "MPI_Iallreduce");
      ++next_;
    }
    int done = 0;
    check_call(MPI_Testall(static_cast<int>(next_), requests_.data(), &done, MPI_STATUSES_IGNORE),
               "MPI_Testall");
  }

  /// Waits for all sums and begins anew. \throws StateError (a block is not ready).
  void wait() {
    if (next_ != buckets_.size())
      throw StateError("blocks: expected all to be ready, got " + std::to_string(next_) + " of " +
                       std::to_string(buckets_.size()) + " buckets begun");
    check_call(MPI_Waitall(static_cast<int>(next_), requests_.data(), MPI_STATUSES_IGNORE),
               "MPI_Waitall");
    rewind();
  }

 private:
  struct Bucket {
    Index begin;  ///< in memory_
    Index size;
    Index blocks;
    Index missing;  ///< blocks that are not ready
  };

  void rewind() {
    std::fill(ready_.begin(), ready_.end(), char{0});
    for (Bucket& bucket : buckets_) bucket.missing = bucket.blocks;
    next_ = 0;
  }

  const Communicator* communicator_;
  Buffer<Scalar> memory_;
  std::vector<Bucket> buckets_;
  std::vector<Index> begins_;
  std::vector<std::size_t> bucket_of_;
  std::vector<char> ready_;
  std::vector<MPI_Request> requests_;
  std::size_t next_ = 0;  // the first bucket that has not begun
};

}  // namespace mpi
LORAPRO_NAMESPACE_END

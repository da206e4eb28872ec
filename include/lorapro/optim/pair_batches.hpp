// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/crew.hpp>
#include <lorapro/optim/pair_slot.hpp>

#include <algorithm>  // std::sort, std::clamp
#include <memory>     // std::unique_ptr
#include <vector>     // std::vector

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// Pairs of one rank by the packet, whose spectra are decomposed together: kEigenLanes at a time
/// take little longer than the two of one pair. What a pair gets does not depend on its company, so
/// how pairs meet is free to follow the number of threads. Pairs of a rule that needs no spectra are
/// in no batch.
template <typename Scalar>
class PairBatches {
 public:
  using Slot = PairSlot<Scalar>;
  struct Batch {
    Index first;  ///< in slot
    Index count;  ///< at most kMaxPairs; 1 above kBatchedEigenSize
    Index rank;
  };

  /// Makes room for `count` pairs, this one among them. \cost O(1) on average.
  void expect(const Slot& slot, std::size_t count, Crew<Scalar>& crew) {
    if (slot.solver == nullptr) return;
    const Index rank = slot.shape().rank;
    if (slots_.capacity() < count) {
      slots_.reserve(2 * count);
      batches_.reserve(2 * count);
    }
    const Index together = rank > kBatchedEigenSize ? 1 : kMaxPairs;
    RuleWorkspace workspace;
    workspace.wide = batched_eigen_scratch(rank, 2 * together);
    crew.reserve(workspace);
  }

  /// Forms the batches anew. No heap if all pairs have been expected.
  /// \param attached  null where there is no pair. \cost O(n log n).
  void arrange(const std::vector<std::unique_ptr<Slot>>& attached, int threads) {
    slots_.clear();
    batches_.clear();
    for (const auto& slot : attached)
      if (slot != nullptr && slot->solver != nullptr) slots_.push_back(slot.get());
    std::sort(slots_.begin(), slots_.end(), [](const Slot* one, const Slot* other) {
      return one->shape().rank != other->shape().rank ? one->shape().rank < other->shape().rank
                                                      : one->stream < other->stream;
    });
    for (auto first = slots_.begin(); first != slots_.end();) {
      const Index rank = (*first)->shape().rank;
      auto last = first;
      while (last != slots_.end() && (*last)->shape().rank == rank) ++last;
      const Index count = last - first;
      // Few pairs are shared among the threads rather than put into one packet.
      const Index together = rank > kBatchedEigenSize
                                 ? 1
                                 : std::clamp<Index>((count + threads - 1) / threads, 1, kMaxPairs);
      for (; first != last; first += batches_.back().count)
        batches_.push_back({first - slots_.begin(), std::min<Index>(together, last - first), rank});
    }
  }

  /// The part of a step that comes before the decompositions: all of prepare for a rule that needs
  /// no spectra.
  static void measure(Slot& slot, const Team<Scalar>& team) {
    if (slot.solver == nullptr) {
      slot.preparation = slot.prepare(team);
      return;
    }
    PerSide<bool> with_norm = slot.grad_grams();
    if (slot.context.clip_norm == ClipNorm::equivalent_gradient) with_norm = {true, true};
    team.both_sides([&](Side side, const Scratch<Scalar>& scratch) {
      slot.solver->measure(side, slot.pair[side], with_norm[side], scratch.wide);
    });
  }

  /// The rest: decompositions and prepare, batch by batch. \pre Every pair has been measured.
  void prepare(Crew<Scalar>& crew) const {
    if (batches_.empty()) return;
    const auto cost_of = [&](Index index) {
      const Batch& batch = batches_[static_cast<std::size_t>(index)];
      // That of the decompositions; too little for a team, since one of them keeps to its lanes.
      return batch.rank > kBatchedEigenSize
                 ? slot(batch.first).cost_ns
                 : 2 * batch.count * batch.rank * batch.rank * batch.rank;
    };
    crew.for_each(static_cast<Index>(batches_.size()), cost_of,
                  [&](Index index, const Team<Scalar>& team) {
                    const Batch& batch = batches_[static_cast<std::size_t>(index)];
                    decompose(batch, team);
                    for (Index k = 0; k < batch.count; ++k) {
                      Slot& member = slot(batch.first + k);
                      if (member.takes_part()) member.preparation = member.prepare(team);
                    }
                  });
  }

  const std::vector<Batch>& batches() const { return batches_; }
  /// By rank, in the order that batches count in.
  Slot& slot(Index index) const { return *slots_[static_cast<std::size_t>(index)]; }

 private:
  static constexpr Index kMaxPairs = std::max<Index>(1, kEigenLanes / 2);

  void decompose(const Batch& batch, const Team<Scalar>& team) const {
    EigenProblem* problems[2 * kMaxPairs];
    Index count = 0;
    for (Index k = 0; k < batch.count; ++k) {
      if (!slot(batch.first + k).takes_part()) continue;
      for (const Side side : kSides)
        problems[count++] = &slot(batch.first + k).solver->spectra().problem(side);
    }
    const auto scratch_of = [&](Scratch<Scalar> scratch, Index together) {
      return scratch.wide.vector(batched_eigen_scratch(batch.rank, together));
    };
    if (batch.rank <= kBatchedEigenSize)
      return batched_eigen(problems, count, batch.rank, scratch_of(team.own(), 2 * kMaxPairs));
    // Matrices that share no packet may have a thread each.
    team.parallel(count, [&](Index index, const Scratch<Scalar>& scratch) {
      batched_eigen(problems + index, 1, batch.rank, scratch_of(scratch, 2));
    });
  }

  std::vector<Slot*> slots_;  // by rank
  std::vector<Batch> batches_;
};

}  // namespace detail

LORAPRO_NAMESPACE_END

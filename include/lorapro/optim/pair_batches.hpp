// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/crew.hpp>
#include <lorapro/optim/slot.hpp>

#include <algorithm>    // std::sort, std::clamp
#include <memory>       // std::unique_ptr
#include <type_traits>  // std::void_t
#include <vector>       // std::vector

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// Whether a PairState has measure.
template <typename State, typename Scalar, typename = void>
struct HasMeasure : std::false_type {};
template <typename State, typename Scalar>
struct HasMeasure<State, Scalar,
                  std::void_t<decltype(std::declval<State&>().measure(
                      std::declval<const Pair&>(), std::declval<const StepContext&>(),
                      std::declval<const Team<Scalar>&>()))>> : std::true_type {};

/// Pairs of one rank by the packet, whose spectra are decomposed together: kEigenLanes at a time
/// take little longer than the two of one pair. What a pair gets does not depend on its company, so
/// how pairs meet is free to follow the number of threads.
template <typename Scalar, typename Rule>
class PairBatches {
 public:
  using Slot = PairSlot<Scalar, Rule>;
  struct Batch {
    Index first;  ///< in slot
    Index count;  ///< at most kMaxPairs; 1 above kBatchedEigenSize, where prepare decomposes
    Index rank;
  };

  static constexpr bool kMeasures = HasMeasure<typename Slot::State, Scalar>::value;

  /// Makes room for `count` pairs, one of this rank among them. \cost O(1) on average.
  void expect(std::size_t count, Index rank, Crew<Scalar>& crew) {
    if (!kMeasures) return;
    if (slots_.capacity() < count) {
      slots_.reserve(2 * count);
      batches_.reserve(2 * count);
    }
    const Index together = rank > kBatchedEigenSize ? 1 : kMaxPairs;
    crew.reserve(0, 0, batched_eigen_scratch(rank, 2 * together), 0);
  }

  /// Forms the batches anew. No heap if all pairs have been expected.
  /// \param attached  null where there is no pair. \cost O(n log n).
  void arrange(const std::vector<std::unique_ptr<Slot>>& attached, int threads) {
    if (!kMeasures) return;
    slots_.clear();
    batches_.clear();
    for (const auto& slot : attached)
      if (slot != nullptr) slots_.push_back(slot.get());
    std::sort(slots_.begin(), slots_.end(), [](const Slot* one, const Slot* other) {
      return one->pair.rank != other->pair.rank ? one->pair.rank < other->pair.rank
                                                : one->stream < other->stream;
    });
    for (auto first = slots_.begin(); first != slots_.end();) {
      const Index rank = (*first)->pair.rank;
      auto last = first;
      while (last != slots_.end() && (*last)->pair.rank == rank) ++last;
      const Index count = last - first;
      // Few pairs are shared among the threads rather than put into one packet.
      const Index together = rank > kBatchedEigenSize
                                 ? 1
                                 : std::clamp<Index>((count + threads - 1) / threads, 1, kMaxPairs);
      for (; first != last; first += batches_.back().count)
        batches_.push_back({first - slots_.begin(), std::min<Index>(together, last - first), rank});
    }
  }

  /// The part of a step that comes before the decompositions: all of prepare for a rule without
  /// measure.
  static void measure(Slot& slot, const Team<Scalar>& team) {
    if constexpr (kMeasures) {
      slot.solver = &slot.state.measure(slot.pair, slot.context, team);
    } else {
      slot.preparation = slot.state.prepare(slot.pair, slot.context, team);
    }
  }

  /// The rest: decompositions and prepare, batch by batch. \pre Every pair has been measured.
  void prepare(const Crew<Scalar>& crew) const {
    if (!kMeasures) return;
    const auto work_of = [&](Index index) {
      const Batch& batch = batches_[static_cast<std::size_t>(index)];
      // That of the decompositions; too little for a team, since one of them keeps to its lanes.
      return batch.rank > kBatchedEigenSize
                 ? slot(batch.first).work
                 : 2 * batch.count * batch.rank * batch.rank * batch.rank;
    };
    crew.for_each(static_cast<Index>(batches_.size()), work_of,
                  [&](Index index, const Team<Scalar>& team) {
                    const Batch& batch = batches_[static_cast<std::size_t>(index)];
                    if (batch.rank <= kBatchedEigenSize) decompose(batch, team.own().wide);
                    for (Index k = 0; k < batch.count; ++k) {
                      Slot& member = slot(batch.first + k);
                      if (!member.takes_part()) continue;
                      member.preparation = member.state.prepare(member.pair, member.context, team);
                    }
                  });
  }

  const std::vector<Batch>& batches() const { return batches_; }
  /// By rank, in the order that batches count in.
  Slot& slot(Index index) const { return *slots_[static_cast<std::size_t>(index)]; }

 private:
  static constexpr Index kMaxPairs = std::max<Index>(1, kEigenLanes / 2);

  void decompose(const Batch& batch, Wide* scratch) const {
    EigenProblem* problems[2 * kMaxPairs];
    Index count = 0;
    for (Index k = 0; k < batch.count; ++k) {
      if (!slot(batch.first + k).takes_part()) continue;
      SpectralPair& spectra = slot(batch.first + k).solver->spectra();
      problems[count++] = &spectra.problem_A();
      problems[count++] = &spectra.problem_B();
    }
    batched_eigen(problems, count, batch.rank, scratch);
  }

  std::vector<Slot*> slots_;  // by rank
  std::vector<Batch> batches_;
};

}  // namespace detail

LORAPRO_NAMESPACE_END

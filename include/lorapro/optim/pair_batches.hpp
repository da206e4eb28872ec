// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/crew.hpp>
#include <lorapro/optim/slot.hpp>

#include <algorithm>    // std::stable_sort, std::clamp
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

  /// Forms the batches anew, and makes room for them. \param attached  null where there is no pair.
  void arrange(const std::vector<std::unique_ptr<Slot>>& attached, Crew<Scalar>& crew) {
    if (!kMeasures) return;
    slots_.clear();
    batches_.clear();
    for (const auto& slot : attached)
      if (slot != nullptr) slots_.push_back(slot.get());
    std::stable_sort(slots_.begin(), slots_.end(), [](const Slot* one, const Slot* other) {
      return one->pair.rank < other->pair.rank;
    });
    for (auto first = slots_.begin(); first != slots_.end();) {
      const Index rank = (*first)->pair.rank;
      auto last = first;
      while (last != slots_.end() && (*last)->pair.rank == rank) ++last;
      const Index count = last - first;
      // Few pairs are shared among the threads rather than put into one packet.
      const Index together =
          rank > kBatchedEigenSize
              ? 1
              : std::clamp<Index>((count + crew.threads() - 1) / crew.threads(), 1, kMaxPairs);
      for (; first != last; first += batches_.back().count)
        batches_.push_back({first - slots_.begin(), std::min<Index>(together, last - first), rank});
      crew.reserve(0, 0, batched_eigen_scratch(rank, 2 * together), 0);
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
                      if (!member.active) continue;
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
      if (!slot(batch.first + k).active) continue;
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

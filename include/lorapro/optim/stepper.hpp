// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/attachments.hpp>
#include <lorapro/optim/pair_batches.hpp>

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// The two halves of a step, and which threads and pairs work together in them. No heap but where
/// something new is expected. Virtual, since the code that is compiled for the machine's
/// instruction set may be behind it.
template <typename Scalar>
class Stepper {
 public:
  using PairSlot = detail::PairSlot<Scalar>;
  using DenseSlot = detail::DenseSlot<Scalar>;
  using Attachments = detail::Attachments<Scalar>;

  explicit Stepper(int threads) : crew_(threads) {}
  virtual ~Stepper() = default;
  Stepper(const Stepper&) = delete;
  Stepper& operator=(const Stepper&) = delete;

  /// Makes room for one more pair; of `count` in all. \cost O(1) on average.
  virtual void expect(const PairSlot& slot, std::size_t count) {
    crew_.reserve(slot.workspace());
    batches_.expect(slot, count, crew_);
    arranged_ = false;
  }
  virtual void expect(const DenseSlot& slot) { crew_.reserve(slot.workspace()); }
  /// A pair has gone.
  virtual void forget_pair() { arranged_ = false; }

  /// Checks and measures all that take part: their context and preparation are those of this step
  /// then. Writes no parameter and no moment.
  /// \param grad_scale  1 / (loss scale x accumulated batches).
  virtual void measure(const Attachments& attached, const OptimizerConfig& config, const Groups& groups,
                       double grad_scale, double lr_factor) {
    if (!arranged_) batches_.arrange(attached.pairs(), crew_.threads());
    arranged_ = true;
    const auto begin = [&](auto& slot) {
      const GroupConfig& group = groups[static_cast<std::size_t>(slot.group)].config;
      slot.set_context(config, group, grad_scale);
      slot.set_rates(group, lr_factor);
    };
    for_each(
        attached,
        [&](PairSlot& slot, const Team<Scalar>& team) {
          if (slot.step == 0) slot.choose_free_factor();
          begin(slot);
          batches_.measure(slot, team);
        },
        [&](DenseSlot& slot, const Team<Scalar>& team) {
          begin(slot);
          slot.preparation = slot.prepare(team);
        });
    batches_.prepare(crew_);
  }

  /// Updates what measure found usable, with the groups' clip factors.
  virtual void update(const Attachments& attached, const Groups& groups, double lr_factor) {
    for_each(
        attached,
        [&](PairSlot& slot, const Team<Scalar>& team) {
          if (!slot.preparation.report.usable()) return;
          const Group& group = groups[static_cast<std::size_t>(slot.group)];
          slot.context.clip = group.clip;
          if (group.config.decays_base())
            scale_base(slot.base.data, slot.base.type,
                       slot.shape().out_features * slot.shape().in_features,
                       decay_at(group.config.lr * lr_factor, group.config));
          slot.update(team);
          ++slot.step;
        },
        [&](DenseSlot& slot, const Team<Scalar>& team) {
          if (!slot.preparation.report.usable()) return;
          slot.context.clip = groups[static_cast<std::size_t>(slot.group)].clip;
          slot.update(team);
          ++slot.step;
        });
  }

 private:
  /// Calls on_pair(slot, team) and on_dense(slot, team) for everything that takes part.
  template <typename OnPair, typename OnDense>
  void for_each(const Attachments& attached, const OnPair& on_pair, const OnDense& on_dense) {
    const Index pairs = attached.pair_count();
    const auto cost_of = [&](Index index) {
      const Slot* const slot = index < pairs ? static_cast<const Slot*>(attached.pair(index))
                                             : attached.dense(index - pairs);
      return slot != nullptr && slot->takes_part() ? slot->cost_ns : -1;
    };
    crew_.for_each(pairs + attached.dense_count(), cost_of,
                   [&](Index index, const Team<Scalar>& team) {
                     if (index < pairs) {
                       on_pair(*attached.pair(index), team);
                     } else {
                       on_dense(*attached.dense(index - pairs), team);
                     }
                   });
  }

  Crew<Scalar> crew_;
  PairBatches<Scalar> batches_;
  bool arranged_ = false;  // the batches are those of the pairs
};

}  // namespace detail

LORAPRO_NAMESPACE_END

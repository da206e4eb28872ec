// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/pair_batches.hpp>
#include <lorapro/optim/stepper.hpp>

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// A Stepper whose threads are those of a Crew. No heap but where something new is expected.
template <typename Scalar>
class CrewStepper final : public Stepper<Scalar> {
 public:
  using typename Stepper<Scalar>::PairSlot;
  using typename Stepper<Scalar>::DenseSlot;
  using typename Stepper<Scalar>::Attachments;

  explicit CrewStepper(int threads) : crew_(threads) {}

  void expect(const PairSlot& slot, std::size_t count) override {
    crew_.reserve(slot.workspace());
    batches_.expect(slot, count, crew_);
    arranged_ = false;
  }
  void expect(const DenseSlot& slot) override { crew_.reserve(slot.workspace()); }
  void forget_pair() override { arranged_ = false; }

  void measure(const Attachments& attached, const OptimizerConfig& config, const Groups& groups,
               double grad_scale, double lr_factor) override {
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

  void update(const Attachments& attached, const Groups& groups, double lr_factor) override {
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

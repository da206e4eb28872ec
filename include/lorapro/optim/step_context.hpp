// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/random.hpp>
#include <lorapro/optim/slot.hpp>

#include <cmath>  // std::sqrt

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// Factor of W0 in a step with this factor of the schedule, for a group that decays it.
inline double base_decay(const GroupConfig& group, double lr_factor) {
  const double lr = group.lr * lr_factor;
  return 1 - lr * group.weight_decay;
}

/// What one parameter's step is done with.
/// \param is_pair     or else a dense parameter, which merged decay treats as any other.
/// \param grad_scale  1 / (loss scale x accumulated batches).
inline StepContext step_context(const OptimizerConfig& config, const GroupConfig& group,
                                const Slot& slot, bool is_pair, double grad_scale,
                                double lr_factor) {
  StepContext context;
  context.config = &config;
  context.lr = group.lr * lr_factor;
  context.lr_B = context.lr * group.loraplus_lr_ratio;
  context.decay = 1 - context.lr * group.weight_decay;
  context.decay_B = 1 - context.lr_B * group.weight_decay;
  // Of W as a whole: the ratio of the rates has no part in it.
  if (group.decay_target == DecayTarget::merged && is_pair)
    context.decay = context.decay_B = std::sqrt(context.decay);
  context.grad_scale = grad_scale;
  context.step = slot.step + 1;
  context.rounding_key =
      derive_key(derive_key(config.seed, static_cast<std::uint64_t>(context.step)), slot.stream);
  context.clip_norm = group.clip_norm;
  context.free_factor = slot.free_factor;
  return context;
}

/// Counts what a step found of each parameter, and sums norms by group in the order of the calls.
class Tally {
 public:
  /// \param report, groups  what is added to; the norms of the groups begin anew.
  Tally(StepReport& report, Groups& groups) : report_(report), groups_(groups) {
    groups.clear_norms();
  }

  void add(const Slot& slot) {
    if (!slot.active) return;
    if (!slot.takes_part()) return leave_out(slot.frozen);
    add(slot.preparation.report, slot.preparation.squared_norm, slot.group);
  }
  void add(const AdjustReport& found, double squared_norm, Index group) {
    report_.count(found.status);
    if (found.usable()) groups_[static_cast<std::size_t>(group)].squared_norm += squared_norm;
  }

  /// Counts one that has no part in the step. \param frozen  or else left out of this one.
  void leave_out(bool frozen) { ++(frozen ? report_.frozen : report_.left_out); }

  /// The schedule's factor in this step.
  double lr_factor() const { return report_.lr_factor; }

 private:
  StepReport& report_;
  Groups& groups_;
};

/// Of an optimizer that has all parameters: see Optimizer::step_among.
struct NoPeers {
  template <typename AddOwn>
  void measured(Tally&, const AddOwn& add_own) {
    add_own();
  }
  void updated(const StepReport&) {}
};

}  // namespace detail

LORAPRO_NAMESPACE_END

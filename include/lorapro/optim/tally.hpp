// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/slot.hpp>

LORAPRO_NAMESPACE_BEGIN

namespace detail {

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

/// Of an optimizer that has all parameters: see Optimizer::step_sharded.
struct NoPeers {
  template <typename AddOwn>
  void measured(Tally&, const AddOwn& add_own) {
    add_own();
  }
  void updated(const StepReport&) {}
};

}  // namespace detail

LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/optimizer_config.hpp>
#include <lorapro/optim/report.hpp>

#include <algorithm>  // std::max, std::min
#include <cmath>      // std::sqrt
#include <vector>     // std::vector

LORAPRO_NAMESPACE_BEGIN

/// Handle of a parameter group, valid for the optimizer that gave it.
struct GroupId {
  Index index = 0;  ///< 0 is the default group
};

namespace detail {

struct Group {
  GroupConfig config;
  double squared_norm = 0;  ///< of the gradients in this step
  double clip = 1;          ///< factor of them
};

/// The parameter groups of an optimizer: at least one.
class Groups {
 public:
  /// \throws ConfigError (no group, a field of one).
  explicit Groups(const std::vector<GroupConfig>& configs) {
    checks::config(!configs.empty(), "groups", "at least one", 0);
    for (const GroupConfig& config : configs) add(config);
  }

  GroupId add(const GroupConfig& config) {
    config.validate();
    groups_.push_back({config});
    return {size() - 1};
  }

  Index size() const { return static_cast<Index>(groups_.size()); }
  Group& operator[](std::size_t index) { return groups_[index]; }
  const Group& operator[](std::size_t index) const { return groups_[index]; }

  /// \throws StateError (no such group).
  Group& at(GroupId id) {
    check_known(id);
    return groups_[static_cast<std::size_t>(id.index)];
  }
  const Group& at(GroupId id) const {
    check_known(id);
    return groups_[static_cast<std::size_t>(id.index)];
  }
  void check_known(GroupId id) const {
    if (id.index < 0 || id.index >= size())
      throw StateError("group: expected one of " + std::to_string(size()) + " groups, got number " +
                       std::to_string(id.index));
  }

  /// \throws ConfigError if a step with this factor of the schedule shrank a parameter below 0.
  void check_decay(double lr_factor) const {
    for (const Group& group : groups_) {
      const double decay = group.config.lr * lr_factor * group.config.weight_decay *
                           (std::max)(1.0, group.config.loraplus_lr_ratio);
      checks::config(decay <= 1, "weight_decay", "lr * weight_decay <= 1", decay);
    }
  }

  void clear_norms() {
    for (Group& group : groups_) group.squared_norm = 0;
  }

  /// Sets the clip factors by the norms, and what the report says of both.
  void set_clips(StepReport& report) {
    double total = 0;
    for (Group& group : groups_) {
      total += group.squared_norm;
      const double norm = std::sqrt(group.squared_norm);
      group.clip = norm > group.config.max_grad_norm ? group.config.max_grad_norm / norm : 1;
      report.clip_factor = (std::min)(report.clip_factor, group.clip);
    }
    report.grad_norm = std::sqrt(total);
  }

 private:
  std::vector<Group> groups_;
};

}  // namespace detail

LORAPRO_NAMESPACE_END

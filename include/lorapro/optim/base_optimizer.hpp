// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/observer.hpp>
#include <lorapro/optim/optimizer_parameters.hpp>
#include <lorapro/optim/report.hpp>
#include <lorapro/optim/tally.hpp>

#include <memory>  // std::unique_ptr
#include <string>  // std::string
#include <vector>  // std::vector

LORAPRO_NAMESPACE_BEGIN

/// What optimizers of all rules share (groups, schedule, clipping, masters, counters, checks,
/// threads), done here once; optimizer.hpp and any_optimizer.hpp add the choice of a rule.
///
/// Nothing is copied: parameters and gradients stay in the caller's buffers, which must outlive the
/// attachment and must not move. A and B in bfloat16 or half get float masters, which are the truth
/// from then on. step() uses no heap. Not thread-safe: one optimizer, one thread at a time.
///
/// \tparam Scalar  float or double: the scalar of the update.
template <typename Scalar>
class BaseOptimizer : public OptimizerParameters<Scalar> {
  using Parameters = OptimizerParameters<Scalar>;
  using Slot = detail::Slot;
  using Parameters::attached_;
  using Parameters::groups_;
  using Parameters::rule_;
  using Parameters::stepper_;

 public:
  using Parameters::step_count;

  /// \throws ConfigError (a field of config).
  BaseOptimizer(const RuntimeRule<Scalar>& rule, const OptimizerConfig& config)
      : Parameters(rule, config.group, config.threads), config_(rule.resolved(config)) {
    config.validate();
  }
  virtual ~BaseOptimizer() = default;
  BaseOptimizer(BaseOptimizer&&) = default;
  BaseOptimizer& operator=(BaseOptimizer&&) = default;

  /// The name of the rule.
  std::string rule() const { return rule_->name; }

  /// \throws ConfigError (a field of group).
  GroupId add_group(const GroupConfig& group) { return groups_.add(group); }

  /// One update of everything attached, by the gradients in the attached buffers.
  ///
  /// First every gradient and parameter is checked and measured, and only then the first one is
  /// written. What is not finite, or would overflow, is skipped and reported. Same bits for any
  /// number of threads.
  /// \return what happened; skipped parameters should not go unnoticed.
  /// \throws ConfigError (scale; lr weight_decay > 1); nothing has been written then. What an
  /// observer throws: the step is done then.
  [[nodiscard]] StepReport step(const StepScale& scale = {}) {
    detail::NoPeers peers;
    return step_sharded(peers, scale);
  }

  /// The step of an optimizer that has a part of a model's parameters, among peers that have the
  /// others. Calls peers.measured(tally, own), own being what adds this optimizer's own parameters
  /// to the detail::Tally, after everything was measured and before anything is written: what the
  /// tally holds then is what clipping and the report go by, and a throw leaves all as it was.
  /// Calls peers.updated(report) when everything is written, before the observers.
  template <typename Peers>
  [[nodiscard]] StepReport step_sharded(Peers& peers, const StepScale& scale = {}) {
    const auto started = observers_.start();
    checks::config(scale.loss_scale > 0 && is_finite(scale.loss_scale), "loss_scale",
                   "a finite number > 0", scale.loss_scale);
    checks::config(scale.accumulated >= 1, "accumulated", "a number >= 1", scale.accumulated);
    StepReport report;
    report.step = step_ + 1;
    report.lr_factor = config_.schedule.factor(report.step);
    groups_.check_decay(report.lr_factor);
    const double grad_scale = 1 / (scale.loss_scale * static_cast<double>(scale.accumulated));

    stepper_->measure(attached_, config_, groups_, grad_scale, report.lr_factor);
    detail::Tally tally(report, groups_);
    peers.measured(tally, [&] { attached_.for_each([&](const Slot& slot) { tally.add(slot); }); });
    groups_.set_clips(report);
    stepper_->update(attached_, groups_, report.lr_factor);
    ++step_;
    if (report.left_out + report.frozen > 0)
      attached_.for_each([](Slot& slot) { slot.left_out = false; });
    peers.updated(report);
    observers_.notify(report, groups_, started);
    return report;
  }

  /// The options, with the rule's beta1 where none was set. config().group is that of group 0 at the
  /// start; group() has the present one.
  const OptimizerConfig& config() const { return config_; }
  Index group_count() const { return groups_.size(); }
  const GroupConfig& group(GroupId id = {}) const { return groups_.at(id).config; }
  std::vector<GroupConfig> groups() const {
    std::vector<GroupConfig> all;
    for (Index i = 0; i < group_count(); ++i) all.push_back(group({i}));
    return all;
  }
  /// Replaces a group's options from the next step on. \throws as add_group and attach.
  void set_group(const GroupConfig& config, GroupId id = {}) {
    groups_.check_known(id);
    config.validate();
    for (const auto& slot : attached_.pairs())
      if (slot != nullptr && slot->group == id.index)
        checks::naming(slot->name,
                       [&] { attached_.check_decay(*slot, slot->base, config, groups_); });
    groups_.at(id).config = config;
  }
  double lr(GroupId id = {}) const { return group(id).lr; }
  /// Base learning rate of a group, which the schedule multiplies. \throws ConfigError.
  void set_lr(double lr, GroupId id = {}) {
    GroupConfig changed = group(id);
    changed.lr = lr;
    set_group(changed, id);
  }
  void set_schedule(const LrSchedule& schedule) { config_.schedule = schedule; }
  /// Replaces all options but the threads, from the next step on: what a checkpoint restores.
  /// \param groups  one for each group, in place of config.group. \throws as set_group.
  void set_config(const OptimizerConfig& config, const std::vector<GroupConfig>& groups) {
    detail::Groups changed(groups);
    checks::config(changed.size() == group_count(), "groups", "one for each group", groups.size());
    config.validate();
    std::swap(groups_, changed);
    try {
      for (const auto& slot : attached_.pairs())
        if (slot != nullptr)
          checks::naming(slot->name, [&] {
            attached_.check_decay(*slot, slot->base, group({slot->group}), groups_);
          });
    } catch (...) {
      std::swap(groups_, changed);
      throw;
    }
    const int threads = config_.threads;
    config_ = rule_->resolved(config);
    config_.threads = threads;
  }

  /// Calls observer(event) at the end of every step from now on: observer.hpp.
  void add_observer(StepObserver observer) { observers_.add(std::move(observer)); }
  void clear_observers() { observers_.clear(); }
  /// Loss of the batch that the next step takes, for its observers.
  void set_loss(double loss) { observers_.set_loss(loss); }

  /// Steps taken.
  std::int64_t step_count() const { return step_; }

  /// Calls visitor(name, tensor) for every matrix of state, a StateTensor, and
  /// visitor(name, counter) for every step count and the number of a pair's free factor, a
  /// std::int64_t&: all that a checkpoint needs.
  template <typename Visitor>
  void visit(Visitor&& visitor) {
    visitor(std::string("step"), step_);
    attached_.for_each([&](auto& slot) {
      const StateVisitor named = [&](const std::string& part, const StateTensor& tensor) {
        visitor(slot.name + "." + part, tensor);
      };
      visitor(slot.name + ".step", slot.step);
      if constexpr (std::is_same_v<std::decay_t<decltype(slot)>, detail::PairSlot<Scalar>>) {
        std::int64_t number = slot.free_factor == Side::B ? 0 : 1;
        visitor(slot.name + ".free_factor", number);
        slot.free_factor = number == 0 ? Side::B : Side::A;
      }
      slot.visit_state(named);
      slot.visit_masters(named);
    });
  }

  /// Bytes of all state matrices, masters included.
  std::size_t state_bytes() {
    std::size_t bytes = 0;
    const StateVisitor add = [&](const std::string&, const StateTensor& tensor) {
      bytes += static_cast<std::size_t>(tensor.size()) * storage_bytes(tensor.type());
    };
    attached_.for_each([&](auto& slot) {
      slot.visit_state(add);
      slot.visit_masters(add);
    });
    return bytes;
  }

 private:
  OptimizerConfig config_;
  detail::Observers observers_;
  std::int64_t step_ = 0;
};

LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/lora_pro_rule.hpp>
#include <lorapro/optim/observer.hpp>
#include <lorapro/optim/optimizer_parameters.hpp>
#include <lorapro/optim/report.hpp>
#include <lorapro/optim/tally.hpp>

#include <memory>  // std::unique_ptr
#include <string>  // std::string
#include <vector>  // std::vector

LORAPRO_NAMESPACE_BEGIN

/// The one optimizer: LoRA pairs and dense parameters in, one update rule, everything that rules
/// share (groups, schedule, clipping, masters, counters, checks, threads) done here once.
///
/// \code
/// lorapro::LoraProOptimizer<float> optimizer(config);
/// optimizer.attach(layer);                      // any number of layers and shapes
/// ...
/// const auto report = optimizer.step();         // after backpropagation
/// optimizer.zero_grad();
/// \endcode
///
/// Nothing is copied: parameters and gradients stay in the caller's buffers, which must outlive the
/// attachment and must not move. A and B in bfloat16 or half get float masters, which are the truth
/// from then on. step() uses no heap. Not thread-safe: one optimizer, one thread at a time.
///
/// \tparam Scalar  float or double: the scalar of the update.
/// \tparam Rule    AdamWRule, SgdRule, MuonRule, LoraPro<Moments>, or a type of your own
/// (rule.hpp).
template <typename Scalar, typename Rule>
class Optimizer : public OptimizerParameters<Scalar, Rule> {
  using Parameters = OptimizerParameters<Scalar, Rule>;
  using Slot = detail::Slot;
  using Parameters::attached_;
  using Parameters::groups_;
  using Parameters::stepper_;

 public:
  using Parameters::step_count;

  /// \throws ConfigError (a field of config).
  explicit Optimizer(const OptimizerConfig& config = {})
      : Parameters(config.group, config.threads), config_(detail::resolved<Rule>(config)) {
    config.validate();
  }

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

    stepper_.measure(attached_, config_, groups_, grad_scale, report.lr_factor);
    detail::Tally tally(report, groups_);
    peers.measured(tally, [&] { attached_.for_each([&](const Slot& slot) { tally.add(slot); }); });
    groups_.set_clips(report);
    stepper_.update(attached_, groups_, report.lr_factor);
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
  /// Replaces a group's options from the next step on. \throws as add_group and attach.
  void set_group(const GroupConfig& config, GroupId id = {}) {
    groups_.check_known(id);
    config.validate();
    for (const auto& slot : attached_.pairs())
      if (slot != nullptr && slot->group == id.index)
        checks::naming(slot->name, [&] { attached_.check_decay(*slot, config, groups_); });
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
          checks::naming(slot->name,
                         [&] { attached_.check_decay(*slot, group({slot->group}), groups_); });
    } catch (...) {
      std::swap(groups_, changed);
      throw;
    }
    const int threads = config_.threads;
    config_ = detail::resolved<Rule>(config);
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
      const auto named = [&](const std::string& part, auto tensor) {
        visitor(slot.name + "." + part, tensor);
      };
      visitor(slot.name + ".step", slot.step);
      if constexpr (std::is_same_v<std::decay_t<decltype(slot)>, detail::PairSlot<Scalar, Rule>>) {
        std::int64_t number = slot.free_factor == Side::B ? 0 : 1;
        visitor(slot.name + ".free_factor", number);
        slot.free_factor = number == 0 ? Side::B : Side::A;
      }
      slot.state.visit(named);
      slot.visit_masters(named);
    });
  }

  /// Bytes of all state matrices, masters included.
  std::size_t state_bytes() {
    std::size_t bytes = 0;
    visit([&](const std::string&, auto&& entry) {
      if constexpr (!std::is_same_v<std::decay_t<decltype(entry)>, std::int64_t>)
        bytes += static_cast<std::size_t>(entry.size()) * storage_bytes(entry.type());
    });
    return bytes;
  }

 private:
  OptimizerConfig config_;
  detail::Observers observers_;
  std::int64_t step_ = 0;
};

/// LoRA-Pro. \tparam Moments  SpectralMoments, FullMoments<Storage> (the paper's), FactoredMoments,
/// AdapterMoments or NoMoments.
template <typename Scalar, typename Moments = SpectralMoments>
using LoraProOptimizer = Optimizer<Scalar, LoraPro<Moments>>;

LORAPRO_NAMESPACE_END

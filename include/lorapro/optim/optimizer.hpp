// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/lora_pro_rule.hpp>
#include <lorapro/optim/lora_views.hpp>
#include <lorapro/optim/observer.hpp>
#include <lorapro/optim/report.hpp>
#include <lorapro/optim/stepper.hpp>
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
class Optimizer {
  static_assert(is_compute_scalar_v<Scalar>, "Optimizer: Scalar must be float or double");
  static_assert(detail::check_rule<Rule, Scalar>());
  using Slot = detail::Slot;
  using PairSlot = detail::PairSlot<Scalar, Rule>;
  using DenseSlot = detail::DenseSlot<Scalar, Rule>;

 public:
  /// A pair with its state, between detach and attach.
  class DetachedPair {
   public:
    Index out_features() const { return slot_->shape().out_features; }
    Index in_features() const { return slot_->shape().in_features; }
    Index rank() const { return slot_->shape().rank; }

   private:
    friend class Optimizer;
    explicit DetachedPair(std::unique_ptr<PairSlot> slot) : slot_(std::move(slot)) {}
    std::unique_ptr<PairSlot> slot_;
  };
  /// A dense parameter with its state, between detach and attach.
  class DetachedDense {
   public:
    Index size() const { return slot_->size(); }

   private:
    friend class Optimizer;
    explicit DetachedDense(std::unique_ptr<DenseSlot> slot) : slot_(std::move(slot)) {}
    std::unique_ptr<DenseSlot> slot_;
  };

  /// \throws ConfigError (a field of config).
  explicit Optimizer(const OptimizerConfig& config = {})
      : config_(detail::resolved<Rule>(config)),
        groups_({config.group}),
        stepper_(thread_count(config.threads)) {
    config.validate();
  }

  /// \throws ConfigError (a field of group).
  GroupId add_group(const GroupConfig& group) { return groups_.add(group); }

  /// Attaches the pairs of a layer: a LoraLayer, or anything with lora_views (lora_views.hpp). It
  /// may be moved afterwards if that keeps the addresses of its buffers, but not destroyed before
  /// detach.
  /// \param name  of the state; "pair.<number>" if empty. Of several pairs: name.0, name.1...
  /// \return the handle of the pair; of a range of them a std::vector.
  /// \throws as attach of each view, and what lora_views throws (StateError for a merged
  /// LoraLayer); no pair of the layer is attached then.
  template <typename Layer, detail::IfLayer<Layer> = 0>
  auto attach(Layer& layer, GroupId group = {}, const std::string& name = "") {
    return detail::attach_layer(
        layer, name,
        [&](const auto& view, const std::string& one) { return attach(view, group, one); },
        [&](PairId pair) { static_cast<void>(detach(pair)); });
  }

  /// Attaches four buffers of the caller's.
  /// \throws ShapeError (shapes that do not fit, null memory, memory that overlaps within the view
  /// or with something attached, gradients included), ConfigError (scaling, merged decay without a
  /// W0 of its own in float or double, a name that is taken).
  template <typename T, typename Base>
  PairId attach(const LoraView<T, Base>& view, GroupId group = {}, const std::string& name = "") {
    static_assert(is_attachable<T>, "LoraView: T must be the optimizer's Scalar, bfloat16 or half");
    return insert(std::make_unique<PairSlot>(view, name), group);
  }

  /// Attaches again what detach returned, to buffers of the same shape and element type, keeping
  /// moments and step count. Masters are kept where they round to the buffer's value, and follow
  /// the buffer where it was changed meanwhile. \throws as attach; `detached` is then unchanged.
  template <typename T, typename Base>
  PairId attach(const LoraView<T, Base>& view, DetachedPair&& detached) {
    static_assert(is_attachable<T>, "LoraView: T must be the optimizer's Scalar, bfloat16 or half");
    if (detached.slot_ == nullptr)
      throw StateError("detached: expected a detached pair, got one that was attached again");
    const PairShape offered{view.lora_B.rows, view.lora_A.cols, view.lora_A.rows};
    detached.slot_->check_fits(offered);
    checks::shape("lora_B", view.lora_B.rows, view.lora_B.cols, offered.out_features, offered.rank);
    if (detached.slot_->pair.A.value.type != storage_type<T>())
      throw ConfigError("lora_A: expected the element type that was detached");
    PairSlot fresh(view, detached.slot_->name);
    const GroupId group{detached.slot_->group};
    attached_.require_attachable(fresh, group, groups_);
    detached.slot_->rebind(fresh);
    return insert(std::move(detached.slot_), group);
  }
  /// The same for a layer of one pair.
  template <typename Layer, detail::IfLayer<Layer> = 0>
  PairId attach(Layer& layer, DetachedPair&& detached) {
    static_assert(detail::kViewCount<Layer> == detail::ViewCount::one,
                  "attach: expected a layer for which lora_views(layer) returns one LoraView");
    return attach(lora_views(layer), std::move(detached));
  }

  /// Attaches a parameter without factors: AdamW for rules with moments, SGD for those without;
  /// Muon for MuonRule where the view says that it is a matrix.
  /// \throws ShapeError (null, size below 1, columns that do not divide it, overlap), ConfigError
  /// (a name that is taken).
  template <typename T>
  DenseId attach(const DenseView<T>& view, GroupId group = {}, const std::string& name = "") {
    static_assert(is_attachable<T>,
                  "DenseView: T must be the optimizer's Scalar, bfloat16 or half");
    return insert(std::make_unique<DenseSlot>(view, name), group);
  }
  /// Attaches again what detach returned, as for pairs. \throws as attach, StateError (attached
  /// again already), ShapeError (another size), ConfigError (another element type); `detached` is
  /// then unchanged.
  template <typename T>
  DenseId attach(const DenseView<T>& view, DetachedDense&& detached) {
    static_assert(is_attachable<T>,
                  "DenseView: T must be the optimizer's Scalar, bfloat16 or half");
    if (detached.slot_ == nullptr)
      throw StateError("detached: expected a detached parameter, got one that was attached again");
    detached.slot_->check_fits(view);
    DenseSlot fresh(view, detached.slot_->name);
    const GroupId group{detached.slot_->group};
    attached_.require_attachable(fresh, group, groups_);
    detached.slot_->move_to(view);
    detached.slot_->follow();
    return insert(std::move(detached.slot_), group);
  }

  /// Takes a parameter out, with its state. Other handles stay valid.
  /// \throws StateError (unknown or already detached).
  DetachedPair detach(PairId id) {
    DetachedPair detached(attached_.take(id));
    stepper_.forget_pair();
    return detached;
  }
  template <typename Id, detail::IfDenseId<Id> = 0>
  DetachedDense detach(Id id) {
    return DetachedDense(attached_.take(id));
  }

  /// \name Parameters that steps leave out
  /// They stay as they are, with their state, step count and W0: no momentum, no decay. Their
  /// gradients are neither read nor part of a norm. A gradient of zeros is something else: then the
  /// momentum goes on. \throws StateError (unknown or detached).
  /// @{
  /// Of all steps until thaw; kept by detach and by checkpoints.
  void freeze(PairId id) { attached_.at(id).frozen = true; }
  template <typename Id, detail::IfDenseId<Id> = 0>
  void freeze(Id id) {
    attached_.at(id).frozen = true;
  }
  void thaw(PairId id) { attached_.at(id).frozen = false; }
  template <typename Id, detail::IfDenseId<Id> = 0>
  void thaw(Id id) {
    attached_.at(id).frozen = false;
  }
  bool frozen(PairId id) const { return attached_.at(id).frozen; }
  template <typename Id, detail::IfDenseId<Id> = 0>
  bool frozen(Id id) const {
    return attached_.at(id).frozen;
  }
  /// Of the next step alone: a layer that had no part in this batch, whose gradient was not
  /// computed. A step that throws before it has written anything does not count.
  void leave_out(PairId id) { attached_.at(id).left_out = true; }
  template <typename Id, detail::IfDenseId<Id> = 0>
  void leave_out(Id id) {
    attached_.at(id).left_out = true;
  }
  /// @}

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

  /// Forgets the state of all pairs, their step counts included, as if they had been attached just
  /// now: for adapters that start anew once what they have learned is merged into their W0
  /// (Lialin et al., ReLoRA, arXiv:2307.05695). Moments of the whole W (FullMoments) need not be
  /// forgotten then.
  void reset_pairs() {
    for (const auto& slot : attached_.pairs())
      if (slot != nullptr) slot->reset();
  }

  /// Zeroes the gradients of everything attached.
  void zero_grad() {
    attached_.for_each([](auto& slot) { slot.zero_grad(); });
  }

  /// config().group is that of group 0 at the start; group() has the present one.
  /// The options, with the rule's beta1 where none was set.
  const OptimizerConfig& config() const { return config_; }
  Index group_count() const { return groups_.size(); }
  const GroupConfig& group(GroupId id = {}) const { return groups_.at(id).config; }
  /// Replaces a group's options from the next step on. \throws as add_group and attach.
  void set_group(const GroupConfig& config, GroupId id = {}) {
    groups_.check_known(id);
    config.validate();
    for (const auto& slot : attached_.pairs())
      if (slot != nullptr && slot->group == id.index) attached_.check_decay(*slot, config, groups_);
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
        if (slot != nullptr) attached_.check_decay(*slot, group({slot->group}), groups_);
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

  /// Steps taken by the optimizer, and by one parameter (where it was skipped does not count).
  std::int64_t step_count() const { return step_; }
  std::int64_t step_count(PairId id) const { return attached_.at(id).step; }
  template <typename Id, detail::IfDenseId<Id> = 0>
  std::int64_t step_count(Id id) const {
    return attached_.at(id).step;
  }
  /// What the last step that it had part in found: status, and of a pair ranks, cutoffs, dampings.
  const AdjustReport& report(PairId id) const { return attached_.at(id).preparation.report; }
  template <typename Id, detail::IfDenseId<Id> = 0>
  const AdjustReport& report(Id id) const {
    return attached_.at(id).preparation.report;
  }

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
      if constexpr (std::is_same_v<std::decay_t<decltype(slot)>, PairSlot>) {
        std::int64_t number = slot.free_factor == Side::B ? 0 : 1;
        visitor(slot.name + ".free_factor", number);
        slot.free_factor = number == 0 ? Side::B : Side::A;
      }
      slot.state.visit(named);
      slot.visit_masters(named);
    });
  }

  /// Calls visitor(slot) for everything attached, in order: a detail::PairSlot or a
  /// detail::DenseSlot, with the caller's buffers besides the state. It may move them (move_to).
  template <typename Visitor>
  void for_each_slot(Visitor&& visitor) const {
    attached_.touched();
    attached_.for_each(visitor);
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
  template <typename T>
  static constexpr bool is_attachable =
      std::is_same_v<T, Scalar> || std::is_same_v<T, bfloat16> || std::is_same_v<T, half>;

  PairId insert(std::unique_ptr<PairSlot>&& slot, GroupId group) {
    const PairId id = attached_.add(std::move(slot), group, groups_);
    stepper_.expect(attached_.at(id), attached_.pairs().size());
    return id;
  }
  DenseId insert(std::unique_ptr<DenseSlot>&& slot, GroupId group) {
    const DenseId id = attached_.add(std::move(slot), group, groups_);
    stepper_.expect(attached_.at(id));
    return id;
  }

  OptimizerConfig config_;
  detail::Groups groups_;
  mutable detail::Attachments<Scalar, Rule> attached_;  // what it finds them by may be stale
  detail::Stepper<Scalar, Rule> stepper_;
  detail::Observers observers_;
  std::int64_t step_ = 0;
};

/// LoRA-Pro. \tparam Moments  SpectralMoments, FullMoments<Storage> (the paper's), FactoredMoments,
/// AdapterMoments or NoMoments.
template <typename Scalar, typename Moments = SpectralMoments>
using LoraProOptimizer = Optimizer<Scalar, LoraPro<Moments>>;

LORAPRO_NAMESPACE_END

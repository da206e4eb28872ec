// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/lora_pro_rule.hpp>
#include <lorapro/optim/observer.hpp>
#include <lorapro/optim/pair_batches.hpp>
#include <lorapro/optim/report.hpp>
#include <lorapro/optim/step_context.hpp>

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
  using Slot = detail::Slot;
  using PairSlot = detail::PairSlot<Scalar, Rule>;
  using DenseSlot = detail::DenseSlot<Scalar, Rule>;
  using PairState = typename PairSlot::State;
  using DenseState = typename DenseSlot::State;

 public:
  /// A pair with its state, between detach and attach.
  class DetachedPair {
   public:
    Index out_features() const { return slot_->pair.out_features; }
    Index in_features() const { return slot_->pair.in_features; }
    Index rank() const { return slot_->pair.rank; }

   private:
    friend class Optimizer;
    explicit DetachedPair(std::unique_ptr<PairSlot> slot) : slot_(std::move(slot)) {}
    std::unique_ptr<PairSlot> slot_;
  };

  /// \throws ConfigError (a field of config).
  explicit Optimizer(const OptimizerConfig& config = {})
      : config_(detail::resolved<Rule>(config)),
        groups_({config.group}),
        crew_(thread_count(config.threads)) {
    config.validate();
  }

  /// \throws ConfigError (a field of group).
  GroupId add_group(const GroupConfig& group) { return groups_.add(group); }

  /// Attaches a layer's adapter. It may be moved afterwards, but not destroyed before detach.
  /// \param name  of its state; "pair.<number>" if empty.
  /// \throws StateError (merged layer), ConfigError (merged decay needs a sole, writable W0 in
  /// float or double; a name that is taken), ShapeError (memory that is attached already).
  template <typename Base>
  PairId attach(LoraLayer<Scalar, Base>& layer, GroupId group = {}, const std::string& name = "") {
    return insert(std::make_unique<PairSlot>(detail::view_of(layer), name), group);
  }

  /// Attaches four buffers of the caller's.
  /// \throws ShapeError (shapes that do not fit, null memory, memory that overlaps within the view
  /// or with something attached), ConfigError (scaling, merged decay without a W0 of its own in
  /// float or double, a name that is taken).
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
    const Pair& old = detached.slot_->pair;
    checks::shape("lora_A", view.lora_A.rows, view.lora_A.cols, old.rank, old.in_features);
    checks::shape("lora_B", view.lora_B.rows, view.lora_B.cols, old.out_features, old.rank);
    if (old.model.lora_A.type != storage_type<T>())
      throw ConfigError("lora_A: expected the element type that was detached");
    PairSlot fresh(view, detached.slot_->name);
    const GroupId group{detached.slot_->group};
    check_attachable(fresh, group);
    detached.slot_->rebind(fresh);
    return insert(std::move(detached.slot_), group);
  }
  template <typename Base>
  PairId attach(LoraLayer<Scalar, Base>& layer, DetachedPair&& detached) {
    return attach(detail::view_of(layer), std::move(detached));
  }

  /// Attaches a parameter without factors: AdamW for rules with moments, SGD for those without;
  /// Muon for MuonRule where the view says that it is a matrix.
  /// \throws ShapeError (null, size below 1, columns that do not divide it, overlap), ConfigError
  /// (a name that is taken).
  template <typename T>
  DenseId attach(const DenseView<T>& view, GroupId group = {}, const std::string& name = "") {
    static_assert(is_attachable<T>,
                  "DenseView: T must be the optimizer's Scalar, bfloat16 or half");
    groups_.check_known(group);
    auto slot = std::make_unique<DenseSlot>(view, name);
    slot->group = group.index;
    if (slot->name.empty()) slot->name = "dense." + std::to_string(dense_.size());
    slot->stream = detail::kDenseStreams + dense_.size();
    check_others(*slot);
    dense_.push_back(std::move(slot));
    crew_.reserve(DenseState::scratch_size(), 0, DenseState::wide_scratch_size(), 0);
    return {static_cast<Index>(dense_.size()) - 1};
  }

  /// Takes a pair out, with its state. Other handles stay valid.
  /// \throws StateError (unknown or already detached).
  DetachedPair detach(PairId id) {
    slot(id);
    DetachedPair detached(std::move(pairs_[static_cast<std::size_t>(id.index)]));
    batches_.arrange(pairs_, crew_);
    return detached;
  }

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
    return step_among(peers, scale);
  }

  /// The step of an optimizer that has a part of a model's parameters, among peers that have the
  /// others. Calls peers.measured(tally, own), own being what adds this optimizer's own parameters
  /// to the detail::Tally, after everything was measured and before anything is written: what the
  /// tally holds then is what clipping and the report go by, and a throw leaves all as it was.
  /// Calls peers.updated(report) when everything is written, before the observers.
  template <typename Peers>
  [[nodiscard]] StepReport step_among(Peers& peers, const StepScale& scale = {}) {
    const auto started = observers_.start();
    checks::config(scale.loss_scale > 0 && is_finite(scale.loss_scale), "loss_scale",
                   "a finite number > 0", scale.loss_scale);
    checks::config(scale.accumulated >= 1, "accumulated", "a number >= 1", scale.accumulated);
    StepReport report;
    report.step = step_ + 1;
    report.lr_factor = config_.schedule.factor(report.step);
    groups_.check_decay(report.lr_factor);
    const double grad_scale = 1 / (scale.loss_scale * static_cast<double>(scale.accumulated));

    for_each(
        [&](PairSlot& slot, const Team<Scalar>& team) {
          slot.context = context(slot, grad_scale, report.lr_factor, true);
          batches_.measure(slot, team);
        },
        [&](DenseSlot& slot, const Team<Scalar>& team) {
          slot.context = context(slot, grad_scale, report.lr_factor, false);
          slot.preparation = slot.state.prepare(slot.dense, slot.context, team);
        });
    batches_.prepare(crew_);
    detail::Tally tally(report, groups_);
    peers.measured(tally, [&] { for_each_slot([&](const Slot& slot) { tally.add(slot); }); });
    groups_.set_clips(report);
    for_each(
        [&](PairSlot& slot, const Team<Scalar>& team) {
          if (!slot.preparation.report.usable()) return;
          const detail::Group& group = groups_[static_cast<std::size_t>(slot.group)];
          slot.context.clip = group.clip;
          if (group.config.decays_base())
            detail::scale_base(slot.base_weight, slot.base_type,
                               slot.pair.out_features * slot.pair.in_features,
                               detail::base_decay(group.config, report.lr_factor));
          slot.state.update(slot.pair, slot.context, team);
          ++slot.step;
        },
        [&](DenseSlot& slot, const Team<Scalar>& team) {
          if (!slot.preparation.report.usable()) return;
          slot.context.clip = groups_[static_cast<std::size_t>(slot.group)].clip;
          slot.state.update(slot.dense, slot.context, team);
          ++slot.step;
        });
    ++step_;
    peers.updated(report);
    observers_.notify(report, groups_, started);
    return report;
  }

  /// Forgets the state of all pairs, their step counts included, as if they had been attached just
  /// now: for adapters that start anew once what they have learned is merged into their W0
  /// (Lialin et al., ReLoRA, arXiv:2307.05695). Moments of the whole W (FullMoments) need not be
  /// forgotten then.
  void reset_pairs() {
    for (const auto& slot : pairs_)
      if (slot != nullptr) slot->reset();
  }

  /// Zeroes the gradients of everything attached.
  void zero_grad() {
    for_each_slot([](auto& slot) { slot.zero_grad(); });
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
    for (const auto& slot : pairs_)
      if (slot != nullptr && slot->group == id.index) check_decay(*slot, config);
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
      for (const auto& slot : pairs_)
        if (slot != nullptr) check_decay(*slot, group({slot->group}));
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

  /// Steps taken by the optimizer, and by one pair (a skipped pair does not count).
  std::int64_t step_count() const { return step_; }
  std::int64_t step_count(PairId id) const { return slot(id).step; }
  /// What the last step found for a pair: status, ranks, cutoffs, damping.
  const AdjustReport& report(PairId id) const { return slot(id).preparation.report; }

  /// Calls visitor(name, tensor) for every matrix of state, a StateTensor, and
  /// visitor(name, counter) for every step count, a std::int64_t&: all that a checkpoint needs.
  template <typename Visitor>
  void visit(Visitor&& visitor) {
    visitor(std::string("step"), step_);
    for_each_slot([&](auto& slot) {
      const auto named = [&](const char* part, auto tensor) {
        visitor(slot.name + "." + part, tensor);
      };
      visitor(slot.name + ".step", slot.step);
      slot.state.visit(named);
      slot.visit_masters(named);
    });
  }

  /// Calls visitor(slot) for everything attached, in order: a detail::PairSlot or a
  /// detail::DenseSlot, with the caller's buffers besides the state.
  template <typename Visitor>
  void for_each_slot(Visitor&& visitor) const {
    for (const auto& slot : pairs_)
      if (slot != nullptr) visitor(*slot);
    for (const auto& slot : dense_) visitor(*slot);
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

  /// What is written must be nobody else's, and names must tell the states apart.
  void check_others(const Slot& slot) const {
    for_each_slot([&](const auto& other) { detail::check_apart(slot, other); });
  }

  /// Two pairs on one W0 would decay it twice, or decay the W of a pair that did not ask for it.
  void check_decay(const PairSlot& slot, const GroupConfig& group) const {
    slot.check_decay(group);
    for (const auto& other : pairs_)
      if (other != nullptr && other.get() != &slot && slot.base_weight != nullptr &&
          slot.base_weight == other->base_weight &&
          (group.decays_base() ||
           groups_[static_cast<std::size_t>(other->group)].config.decays_base()))
        throw ConfigError(
            "decay_target: expected a sole W0 for merged decay, got one shared with " +
            other->name);
  }

  void check_attachable(const PairSlot& slot, GroupId group) const {
    groups_.check_known(group);
    check_decay(slot, groups_[static_cast<std::size_t>(group.index)].config);
    check_others(slot);
  }

  PairId insert(std::unique_ptr<PairSlot> slot, GroupId group) {
    if (slot->name.empty()) slot->name = "pair." + std::to_string(pairs_.size());
    check_attachable(*slot, group);
    slot->group = group.index;
    slot->stream = pairs_.size();
    const Pair& pair = slot->pair;
    crew_.reserve(PairState::scratch_size(pair.rank),
                  PairState::shared_scratch_size(pair.out_features, pair.in_features, pair.rank),
                  PairState::wide_scratch_size(pair.rank), slot->work);
    pairs_.push_back(std::move(slot));
    batches_.arrange(pairs_, crew_);
    return {static_cast<Index>(pairs_.size()) - 1};
  }

  /// Calls on_pair(slot, team) and on_dense(slot, team) for everything attached.
  template <typename OnPair, typename OnDense>
  void for_each(const OnPair& on_pair, const OnDense& on_dense) {
    const Index pair_count = static_cast<Index>(pairs_.size());
    const auto pair_at = [&](Index index) { return pairs_[static_cast<std::size_t>(index)].get(); };
    const auto dense_at = [&](Index index) {
      return dense_[static_cast<std::size_t>(index - pair_count)].get();
    };
    const auto work_of = [&](Index index) {
      const Slot* const slot =
          index < pair_count ? static_cast<const Slot*>(pair_at(index)) : dense_at(index);
      return slot != nullptr && slot->active ? slot->work : -1;
    };
    crew_.for_each(pair_count + static_cast<Index>(dense_.size()), work_of,
                   [&](Index index, const Team<Scalar>& team) {
                     if (index < pair_count) {
                       on_pair(*pair_at(index), team);
                     } else {
                       on_dense(*dense_at(index), team);
                     }
                   });
  }

  StepContext context(const Slot& slot, double grad_scale, double lr_factor, bool is_pair) const {
    return detail::step_context(config_, groups_[static_cast<std::size_t>(slot.group)].config, slot,
                                is_pair, grad_scale, lr_factor);
  }

  const PairSlot& slot(PairId id) const {
    if (id.index < 0 || id.index >= static_cast<Index>(pairs_.size()) ||
        pairs_[static_cast<std::size_t>(id.index)] == nullptr)
      throw StateError("pair: expected an attached pair, got number " + std::to_string(id.index));
    return *pairs_[static_cast<std::size_t>(id.index)];
  }

  OptimizerConfig config_;
  detail::Groups groups_;
  std::vector<std::unique_ptr<PairSlot>> pairs_;  // null where detached
  std::vector<std::unique_ptr<DenseSlot>> dense_;
  detail::Crew<Scalar> crew_;
  detail::PairBatches<Scalar, Rule> batches_;
  detail::Observers observers_;
  std::int64_t step_ = 0;
};

/// LoRA-Pro. \tparam Moments  SpectralMoments, FullMoments<Storage> (the paper's), FactoredMoments,
/// AdapterMoments or NoMoments.
template <typename Scalar, typename Moments = SpectralMoments>
using LoraProOptimizer = Optimizer<Scalar, LoraPro<Moments>>;

LORAPRO_NAMESPACE_END

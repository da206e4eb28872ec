// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/detached.hpp>
#include <lorapro/optim/lora_views.hpp>
#include <lorapro/optim/runtime_rule.hpp>

#include <memory>  // std::unique_ptr
#include <string>  // std::string
#include <vector>  // std::vector

LORAPRO_NAMESPACE_BEGIN

/// What an optimizer updates: pairs and dense parameters, each in a group, with the rule's state.
template <typename Scalar>
class OptimizerParameters {
  static_assert(is_compute_scalar_v<Scalar>, "Optimizer: Scalar must be float or double");

 public:
  using DetachedPair = lorapro::DetachedPair<Scalar>;
  using DetachedDense = lorapro::DetachedDense<Scalar>;

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
  /// W0 of its own in float or double, a name that is taken); the message begins with the name.
  template <typename T, typename Base>
  PairId attach(const LoraView<T, Base>& view, GroupId group = {}, const std::string& name = "") {
    static_assert(is_attachable<T>, "LoraView: T must be the optimizer's Scalar, bfloat16 or half");
    const std::string own = name.empty() ? attached_.next_pair_name() : name;
    return checks::naming(
        own, [&] { return insert(rule_->pair_slot(detail::given(view), own), group); });
  }

  /// Attaches a parameter without factors: AdamW for rules with moments, SGD for those without;
  /// Muon for MuonRule where the view says that it is a matrix.
  /// \throws ShapeError (null, size below 1, columns that do not divide it, overlap), ConfigError
  /// (a name that is taken); the message begins with the name.
  template <typename T>
  DenseId attach(const DenseView<T>& view, GroupId group = {}, const std::string& name = "") {
    static_assert(is_attachable<T>,
                  "DenseView: T must be the optimizer's Scalar, bfloat16 or half");
    const std::string own = name.empty() ? attached_.next_dense_name() : name;
    return checks::naming(
        own, [&] { return insert(rule_->dense_slot(detail::given(view), own), group); });
  }

  /// \name Attaching again what detach returned
  /// To buffers of the same shape and element type, keeping moments and step count. Masters are
  /// kept where they round to the buffer's value, and follow the buffer where it was changed
  /// meanwhile. \throws as attach, StateError (attached again already), ShapeError (another shape),
  /// ConfigError (another element type, the state of another rule); `detached` is then unchanged.
  /// @{
  template <typename T, typename Base>
  PairId attach(const LoraView<T, Base>& view, DetachedPair&& detached) {
    static_assert(is_attachable<T>, "LoraView: T must be the optimizer's Scalar, bfloat16 or half");
    return attach_again(detail::given(view), detached.slot_, "a detached pair");
  }
  /// Of a layer of one pair.
  template <typename Layer, detail::IfLayer<Layer> = 0>
  PairId attach(Layer& layer, DetachedPair&& detached) {
    static_assert(detail::kViewCount<Layer> == detail::ViewCount::one,
                  "attach: expected a layer for which lora_views(layer) returns one LoraView");
    return attach(lora_views(layer), std::move(detached));
  }
  template <typename T>
  DenseId attach(const DenseView<T>& view, DetachedDense&& detached) {
    static_assert(is_attachable<T>,
                  "DenseView: T must be the optimizer's Scalar, bfloat16 or half");
    return attach_again(detail::given(view), detached.slot_, "a detached parameter");
  }
  /// @}

  /// \name Of one parameter
  /// Id is PairId, as of a number in braces, or DenseId. \throws StateError (unknown or detached).
  /// @{
  /// Takes it out, with its state: a DetachedPair or DetachedDense. Other handles stay valid.
  template <typename Id = PairId>
  auto detach(Id id) {
    if constexpr (std::is_same_v<Id, DenseId>) {
      return DetachedDense(attached_.take(id));
    } else {
      DetachedPair detached(attached_.take(id));
      stepper_->forget_pair();
      return detached;
    }
  }
  /// From freeze to thaw, steps leave it as it is, with its state, step count and W0: no momentum,
  /// no decay. Its gradients are neither read nor part of a norm. (With gradients of zeros the
  /// momentum would go on.) Kept by detach and by checkpoints.
  template <typename Id = PairId>
  void freeze(Id id) {
    attached_.at(id).frozen = true;
  }
  template <typename Id = PairId>
  void thaw(Id id) {
    attached_.at(id).frozen = false;
  }
  template <typename Id = PairId>
  bool frozen(Id id) const {
    return attached_.at(id).frozen;
  }
  /// The same for the next step alone: a layer that had no part in this batch, whose gradient was
  /// not computed. A step that throws before it has written anything does not count.
  template <typename Id = PairId>
  void leave_out(Id id) {
    attached_.at(id).left_out = true;
  }
  /// Steps that updated it: where it was skipped does not count.
  template <typename Id = PairId>
  std::int64_t step_count(Id id) const {
    return attached_.at(id).step;
  }
  /// What the last step that it had part in found: status, and of a pair ranks, cutoffs, dampings.
  template <typename Id = PairId>
  const AdjustReport& report(Id id) const {
    return attached_.at(id).preparation.report;
  }
  /// @}

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

  /// Calls visitor(slot) for everything attached, in order: a detail::PairSlot or a
  /// detail::DenseSlot, with the caller's buffers besides the state. It may move them (move_to).
  template <typename Visitor>
  void for_each_slot(Visitor&& visitor) const {
    attached_.touched();
    attached_.for_each(visitor);
  }

 protected:
  /// \param group  of group 0.
  OptimizerParameters(const RuntimeRule<Scalar>& rule, const GroupConfig& group, int threads)
      : rule_(&rule), groups_({group}), stepper_(rule.stepper(threads)) {}

  const RuntimeRule<Scalar>* rule_;
  detail::Groups groups_;
  mutable detail::Attachments<Scalar> attached_;  // what it finds them by may be stale
  std::unique_ptr<detail::Stepper<Scalar>> stepper_;

 private:
  using PairSlot = detail::PairSlot<Scalar>;
  using DenseSlot = detail::DenseSlot<Scalar>;

  template <typename T>
  static constexpr bool is_attachable =
      std::is_same_v<T, Scalar> || std::is_same_v<T, bfloat16> || std::is_same_v<T, half>;

  static const detail::BaseMemory* base_of(const detail::GivenPair& given) { return &given.base; }
  static const detail::BaseMemory* base_of(const detail::GivenDense&) { return nullptr; }

  /// The handle is of the slot's kind.
  template <typename Given, typename AnySlot>
  auto attach_again(const Given& given, std::unique_ptr<AnySlot>& detached, const char* expected) {
    if (detached == nullptr)
      throw StateError(std::string("detached: expected ") + expected +
                       ", got one that was attached again");
    return checks::naming(detached->name, [&] {
      if (std::string_view(detached->rule()) != rule_->name)
        throw ConfigError(std::string("detached: expected the state of ") + rule_->name + ", got " +
                          detached->rule());
      detached->check_fits(given);
      detail::Slot place;
      place.name = detached->name;
      place.memory = given.memory;
      const GroupId group{detached->group};
      attached_.require_attachable(place, base_of(given), group, groups_);
      detached->move_to(given);
      detached->follow();
      return insert(std::move(detached), group);
    });
  }

  PairId insert(std::unique_ptr<PairSlot>&& slot, GroupId group) {
    const PairId id = attached_.add(std::move(slot), group, groups_);
    stepper_->expect(attached_.at(id), attached_.pairs().size());
    return id;
  }
  DenseId insert(std::unique_ptr<DenseSlot>&& slot, GroupId group) {
    const DenseId id = attached_.add(std::move(slot), group, groups_);
    stepper_->expect(attached_.at(id));
    return id;
  }
};

LORAPRO_NAMESPACE_END

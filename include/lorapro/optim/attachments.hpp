// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/attachment_index.hpp>
#include <lorapro/optim/dense_slot.hpp>
#include <lorapro/optim/pair_slot.hpp>

#include <memory>  // std::unique_ptr
#include <vector>  // std::vector

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// The pairs and dense parameters that are attached to an optimizer. Handles are numbers in the
/// order of attachment, which are not given twice.
template <typename Scalar>
class Attachments {
 public:
  using PairSlot = detail::PairSlot<Scalar>;
  using DenseSlot = detail::DenseSlot<Scalar>;

  /// \name Of the next one, where the caller has no name for it
  /// @{
  std::string next_pair_name() const { return "pair." + std::to_string(pairs_.size()); }
  std::string next_dense_name() const { return "dense." + std::to_string(dense_.size()); }
  /// @}

  /// \cost O(log n) for n attached.
  /// \throws ConfigError (a name that is taken, merged decay), ShapeError (memory that is attached
  /// already), StateError (no such group); the slot is then as it was.
  PairId add(std::unique_ptr<PairSlot>&& slot, GroupId group, const Groups& groups) {
    require_attachable(*slot, &slot->base, group, groups);
    slot->stream = pairs_.size();
    return {insert(pairs_, std::move(slot), group)};
  }
  DenseId add(std::unique_ptr<DenseSlot>&& slot, GroupId group, const Groups& groups) {
    require_attachable(*slot, nullptr, group, groups);
    slot->stream = kDenseStreams + dense_.size();
    return {insert(dense_, std::move(slot), group)};
  }

  /// What add throws. \param base  null for a dense parameter.
  void require_attachable(const Slot& slot, const BaseMemory* base, GroupId group,
                          const Groups& groups) {
    groups.check_known(group);
    refresh();
    if (base != nullptr)
      check_decay(slot, *base, groups[static_cast<std::size_t>(group.index)].config, groups);
    index_.require_apart(slot);
  }

  /// \throws StateError (unknown or taken already).
  std::unique_ptr<PairSlot> take(PairId id) { return take_from(pairs_, at(id), id.index); }
  std::unique_ptr<DenseSlot> take(DenseId id) { return take_from(dense_, at(id), id.index); }

  /// \throws StateError (unknown or detached).
  PairSlot& at(PairId id) const { return found(pairs_, "pair", "pair", id.index); }
  DenseSlot& at(DenseId id) const { return found(dense_, "dense", "dense parameter", id.index); }

  /// Two pairs on one W0 would decay it twice, or decay the W of a pair that did not ask for it.
  /// \throws ConfigError unless the pair can be in a group of this config.
  void check_decay(const Slot& slot, const BaseMemory& base, const GroupConfig& config,
                   const Groups& groups) {
    base.check_decay(config);
    refresh();
    index_.for_each_on_base(slot, base.data, [&](const Slot& other) {
      if (config.decays_base() ||
          groups[static_cast<std::size_t>(other.group)].config.decays_base())
        throw ConfigError(
            "decay_target: expected a sole W0 for merged decay, got one shared with " + other.name);
    });
  }

  /// Numbers of handles given so far.
  Index pair_count() const { return static_cast<Index>(pairs_.size()); }
  Index dense_count() const { return static_cast<Index>(dense_.size()); }
  /// Null where detached.
  PairSlot* pair(Index index) const { return pairs_[static_cast<std::size_t>(index)].get(); }
  DenseSlot* dense(Index index) const { return dense_[static_cast<std::size_t>(index)].get(); }
  const std::vector<std::unique_ptr<PairSlot>>& pairs() const { return pairs_; }

  /// Calls visitor(slot) for all that is attached, pairs first, in order.
  template <typename Visitor>
  void for_each(const Visitor& visitor) const {
    for (const auto& slot : pairs_)
      if (slot != nullptr) visitor(*slot);
    for (const auto& slot : dense_)
      if (slot != nullptr) visitor(*slot);
  }

  /// Somebody may have moved buffers or changed names: what is found by them is looked up anew
  /// before the next use.
  void touched() { stale_ = true; }

 private:
  template <typename AnySlot>
  Index insert(std::vector<std::unique_ptr<AnySlot>>& list, std::unique_ptr<AnySlot>&& slot,
               GroupId group) {
    slot->group = group.index;
    list.push_back(std::move(slot));
    index_.add(*list.back(), base_of(*list.back()));
    return static_cast<Index>(list.size()) - 1;
  }

  template <typename AnySlot>
  std::unique_ptr<AnySlot> take_from(std::vector<std::unique_ptr<AnySlot>>& list,
                                     const AnySlot& slot, Index index) {
    if (!stale_ && !index_.remove(slot, base_of(slot))) stale_ = true;
    return std::move(list[static_cast<std::size_t>(index)]);
  }

  template <typename AnySlot>
  static AnySlot& found(const std::vector<std::unique_ptr<AnySlot>>& list, const char* kind,
                        const char* what, Index index) {
    if (index < 0 || index >= static_cast<Index>(list.size()) ||
        list[static_cast<std::size_t>(index)] == nullptr)
      throw StateError(std::string(kind) + ": expected an attached " + what + ", got number " +
                       std::to_string(index));
    return *list[static_cast<std::size_t>(index)];
  }

  static const void* base_of(const PairSlot& slot) { return slot.base.data; }
  static const void* base_of(const DenseSlot&) { return nullptr; }

  void refresh() {
    if (!stale_) return;
    index_.clear();
    for_each([&](const auto& slot) { index_.add(slot, base_of(slot)); });
    stale_ = false;
  }

  std::vector<std::unique_ptr<PairSlot>> pairs_;  // null where detached
  std::vector<std::unique_ptr<DenseSlot>> dense_;
  AttachmentIndex index_;
  bool stale_ = false;
};

}  // namespace detail

LORAPRO_NAMESPACE_END

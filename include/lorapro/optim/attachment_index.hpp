// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/slot.hpp>

#include <iterator>       // std::prev
#include <map>            // std::map
#include <string_view>    // std::string_view
#include <unordered_map>  // std::unordered_map, std::unordered_multimap

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// Finds what is attached by its name, by the memory that it takes, and by W0: whether something
/// new lies apart from n others takes O(log n). Slots are referred to and must stay where they are.
class AttachmentIndex {
 public:
  /// \throws ConfigError (a name that is taken), ShapeError (memory that something else has:
  /// parameters are written, and of two parameters with one gradient buffer one would go by what is
  /// not its own).
  void require_apart(const Slot& slot) const {
    const auto same_name = names_.find(slot.name);
    if (same_name != names_.end())
      throw ConfigError("name: expected a name of its own, got \"" + slot.name + "\" again");
    for_each_range(slot, [&](const char* name, const AddressRange& range) {
      const auto [first, last] = overlapping(range);
      if (first != last)
        check_disjoint(name, range, first->second.slot->name.c_str(),
                       {first->first, first->second.end});
    });
  }

  /// \param base_weight  W0, or null. What is not apart from others is added as well: memory that
  /// moves may for a while be where something else was.
  void add(const Slot& slot, const void* base_weight) {
    names_.emplace(slot.name, &slot);
    if (base_weight != nullptr) bases_.emplace(base_weight, &slot);
    for_each_range(slot, [&](const char*, const AddressRange& range) {
      AddressRange whole = range;
      const auto [first, last] = overlapping(range);
      for (auto other = first; other != last; ++other) {
        whole.begin = (std::min)(whole.begin, other->first);
        whole.end = (std::max)(whole.end, other->second.end);
        merged_ = true;
      }
      if (first != last) memory_.erase(first, last);
      memory_.emplace_hint(last, whole.begin, Taken{whole.end, &slot});
    });
  }

  /// \return false if what is left has to be added anew.
  [[nodiscard]] bool remove(const Slot& slot, const void* base_weight) {
    if (merged_) return false;
    names_.erase(slot.name);
    const auto [first, last] = bases_.equal_range(base_weight);
    for (auto entry = first; entry != last; ++entry)
      if (entry->second == &slot) {
        bases_.erase(entry);
        break;
      }
    for_each_range(slot, [&](const char*, const AddressRange& range) {
      const auto entry = memory_.find(range.begin);
      if (entry != memory_.end() && entry->second.slot == &slot) memory_.erase(entry);
    });
    return true;
  }

  void clear() {
    names_.clear();
    bases_.clear();
    memory_.clear();
    merged_ = false;
  }

  /// Calls f(other) for every slot but this one that has the same W0.
  template <typename F>
  void for_each_on_base(const Slot& slot, const void* base_weight, const F& f) const {
    if (base_weight == nullptr) return;
    const auto [first, last] = bases_.equal_range(base_weight);
    for (auto entry = first; entry != last; ++entry)
      if (entry->second != &slot) f(*entry->second);
  }

 private:
  struct Taken {
    std::uintptr_t end;
    const Slot* slot;
  };
  using Memory = std::map<std::uintptr_t, Taken>;  // by the begin of ranges that lie apart

  template <typename F>
  static void for_each_range(const Slot& slot, const F& f) {
    for (const OwnMemory& own : slot.memory)
      if (own.range.begin < own.range.end) f(own.name, own.range);
  }

  std::pair<Memory::const_iterator, Memory::const_iterator> overlapping(
      const AddressRange& range) const {
    auto first = memory_.upper_bound(range.begin);
    if (first != memory_.begin() && std::prev(first)->second.end > range.begin) --first;
    auto last = first;
    while (last != memory_.end() && last->first < range.end) ++last;
    return {first, last};
  }

  std::unordered_map<std::string_view, const Slot*> names_;  // views of the slots' own
  std::unordered_multimap<const void*, const Slot*> bases_;
  Memory memory_;
  bool merged_ = false;  // some ranges did not lie apart
};

}  // namespace detail

LORAPRO_NAMESPACE_END

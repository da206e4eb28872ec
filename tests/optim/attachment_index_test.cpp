// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/attachment_index.hpp>

#include <memory>  // std::unique_ptr
#include <vector>  // std::vector

#include "support/random.hpp"

namespace {

using lorapro::detail::AddressRange;
using lorapro::detail::AttachmentIndex;
using lorapro::detail::Slot;

Slot indexed_slot(const std::string& name, AddressRange parameter, AddressRange gradient) {
  Slot slot;
  slot.name = name;
  slot.memory = {{{"value", parameter}, {"grad", gradient}}};
  return slot;
}

TEST_CASE("what overlaps is refused, in any order of attachment", "[attachment_index]") {
  AttachmentIndex index;
  const Slot low = indexed_slot("low", {100, 200}, {400, 500});
  const Slot high = indexed_slot("high", {300, 400}, {200, 300});
  index.add(low, nullptr);
  CHECK_NOTHROW(index.require_apart(high));
  index.add(high, nullptr);
  const auto refused = [&](AddressRange parameter, AddressRange gradient, const char* message) {
    CHECK_THROWS_WITH(index.require_apart(indexed_slot("new", parameter, gradient)), message);
  };
  refused({199, 200}, {}, "value: expected memory of its own, got memory shared with low");
  refused({50, 101}, {}, "value: expected memory of its own, got memory shared with low");
  refused({0, 1000}, {}, "value: expected memory of its own, got memory shared with low");
  refused({}, {350, 360}, "grad: expected memory of its own, got memory shared with high");
  refused({}, {450, 460}, "grad: expected memory of its own, got memory shared with low");
  refused({250, 260}, {}, "value: expected memory of its own, got memory shared with high");
  CHECK_NOTHROW(index.require_apart(indexed_slot("new", {0, 100}, {500, 600})));
  CHECK_NOTHROW(index.require_apart(indexed_slot("new", {}, {})));
  CHECK_THROWS_WITH(index.require_apart(indexed_slot("low", {0, 1}, {})),
                    "name: expected a name of its own, got \"low\" again");
}

TEST_CASE("what was removed is free again", "[attachment_index]") {
  AttachmentIndex index;
  const Slot slot = indexed_slot("one", {100, 200}, {200, 300});
  const Slot other = indexed_slot("other", {300, 400}, {400, 500});
  const int base = 0;
  index.add(slot, &base);
  index.add(other, &base);
  CHECK(index.remove(slot, &base));
  CHECK_NOTHROW(index.require_apart(slot));
  CHECK_THROWS_AS(index.require_apart(other), lorapro::ConfigError);
  int on_base = 0;
  index.for_each_on_base(slot, &base, [&](const Slot& found) {
    CHECK(&found == &other);
    ++on_base;
  });
  CHECK(on_base == 1);
  index.for_each_on_base(other, &base, [](const Slot&) { FAIL("not itself"); });
  index.for_each_on_base(other, nullptr, [](const Slot&) { FAIL("no W0"); });
}

TEST_CASE("memory that moved onto another's is found under one of both", "[attachment_index]") {
  AttachmentIndex index;
  const Slot one = indexed_slot("one", {100, 200}, {});
  const Slot two = indexed_slot("two", {150, 250}, {});
  index.add(one, nullptr);
  index.add(two, nullptr);
  for (const std::uintptr_t at : {100, 149, 150, 199, 200, 249})
    CHECK_THROWS_AS(index.require_apart(indexed_slot("new", {at, at + 1}, {})),
                    lorapro::ShapeError);
  CHECK_FALSE(index.remove(one, nullptr));
  index.clear();
  CHECK_NOTHROW(index.require_apart(one));
}

TEST_CASE("the index against comparing all with all", "[attachment_index]") {
  LORAPRO_TEST_RANDOM(random, 77);
  AttachmentIndex index;
  std::vector<std::unique_ptr<Slot>> slots;
  const auto range = [&] {
    const auto begin = static_cast<std::uintptr_t>(random.bits() % 4000);
    return AddressRange{begin, begin + random.bits() % 12};
  };
  int refused = 0;
  for (int k = 0; k < 1500; ++k) {
    auto slot = std::make_unique<Slot>();
    slot->name = std::to_string(k);
    for (auto& own : slot->memory) own.range = range();
    const auto ranges_of = [](const Slot& s) {
      std::vector<AddressRange> ranges;
      for (const auto& own : s.memory) ranges.push_back(own.range);
      return ranges;
    };
    bool own_apart = true, apart = true;
    const auto mine = ranges_of(*slot);
    for (std::size_t i = 0; i < 4; ++i)
      for (std::size_t j = 0; j < i; ++j)
        if (mine[i].begin < mine[i].end && mine[j].begin < mine[j].end)
          own_apart = own_apart && !mine[i].overlaps(mine[j]);
    if (!own_apart) continue;
    for (const auto& other : slots)
      for (const AddressRange& theirs : ranges_of(*other))
        for (const AddressRange& own : mine)
          if (own.begin < own.end && theirs.begin < theirs.end)
            apart = apart && !own.overlaps(theirs);
    if (apart) {
      CHECK_NOTHROW(index.require_apart(*slot));
      index.add(*slot, nullptr);
      slots.push_back(std::move(slot));
    } else {
      ++refused;
      CHECK_THROWS_AS(index.require_apart(*slot), lorapro::ShapeError);
    }
    if (random.bits() % 4 == 0 && !slots.empty()) {
      const std::size_t out = random.bits() % slots.size();
      CHECK(index.remove(*slots[out], nullptr));
      slots.erase(slots.begin() + static_cast<std::ptrdiff_t>(out));
    }
  }
  CHECK(refused > 100);
  CHECK(slots.size() > 20);
}

}  // namespace

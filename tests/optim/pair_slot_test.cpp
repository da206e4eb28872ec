// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/pair_slot.hpp>

#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/rule_slots.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::bfloat16;
using lorapro::detail::given;
using PairSlot = lorapro::detail::RulePairSlot<float, lorapro::AdamWRule>;

TEST_CASE("a pair keeps masters only where the model stores less", "[pair_slot]") {
  PairBuffers<float> fine(6, 5, 2, 1.0, 1);
  const PairSlot without(given(fine.view()), "fine");
  CHECK(without.pair.B.master.data == nullptr);
  CHECK(without.pair.A.master.data == nullptr);
  PairBuffers<bfloat16> coarse(6, 5, 2, 1.0, 1);
  PairSlot with(given(coarse.view()), "coarse");
  int visited = 0;
  with.visit_masters([&](const std::string& name, const lorapro::StateTensor& tensor) {
    ++visited;
    std::vector<float> values(static_cast<std::size_t>(tensor.size()));
    tensor.read(values.data());
    const auto& model = name == "master_A" ? coarse.A : coarse.B;
    REQUIRE(tensor.size() == model.size());
    for (Index i = 0; i < model.size(); ++i)
      CHECK(values[static_cast<std::size_t>(i)] == static_cast<float>(model.data()[i]));
  });
  CHECK(visited == 2);
}

TEST_CASE("masters keep what rounds to the buffer and follows what was changed", "[pair_slot]") {
  PairBuffers<bfloat16> old(4, 3, 2, 1.0, 2), moved(4, 3, 2, 1.0, 2);
  PairSlot slot(given(old.view()), "pair");
  const float kept = static_cast<float>(old.A(0, 0)) * 1.0005F;  // rounds to the same bfloat16
  REQUIRE(static_cast<bfloat16>(kept) == old.A(0, 0));
  float* const master_A = static_cast<float*>(slot.pair.A.master.data);
  master_A[0] = kept;
  moved.A(1, 2) = bfloat16(7.0F);
  slot.move_to(given(moved.view()));
  slot.follow();
  CHECK(slot.pair.A.value.data == moved.A.data());
  CHECK(slot.name == "pair");
  CHECK(master_A[0] == kept);
  CHECK(master_A[1 * 3 + 2] == 7.0F);
}

TEST_CASE("a slot follows buffers that have moved, and what was written to them", "[pair_slot]") {
  PairBuffers<bfloat16> old(4, 3, 2, 1.0, 2), moved(4, 3, 2, 0.5, 2);
  PairSlot slot(given(old.view()), "pair");
  const auto first_moment = [&](auto&& f) {
    slot.visit_state([&](const std::string& name, const lorapro::StateTensor& tensor) {
      if (name == "exp_avg_A") f(tensor);
    });
  };
  const float five = 5;
  first_moment([&](const auto& tensor) { tensor.write(1, 1, &five); });
  moved.A(1, 2) = bfloat16(7.0F);
  slot.move_to(given(moved.view()));
  CHECK(slot.pair.A.value.data == moved.A.data());
  CHECK(slot.pair.B.grad.data == moved.grad_B.data());
  CHECK(slot.pair.scaling == 0.5);
  CHECK(slot.memory[3].range.begin == reinterpret_cast<std::uintptr_t>(moved.grad_B.data()));
  float kept = 0;
  first_moment([&](const auto& tensor) { tensor.read(1, 1, &kept); });
  CHECK(kept == 5);
  const float* const master_A = static_cast<const float*>(slot.pair.A.master.data);
  CHECK(master_A[5] != 7.0F);
  slot.follow();
  CHECK(master_A[5] == 7.0F);

  PairBuffers<bfloat16> other(4, 3, 1, 1.0, 2);
  CHECK_THROWS_AS(slot.move_to(given(other.view())), lorapro::ShapeError);
  PairBuffers<float> fine(4, 3, 2, 1.0, 2);
  CHECK_THROWS_AS(slot.move_to(given(fine.view())), lorapro::ConfigError);
  CHECK(slot.pair.A.value.data == moved.A.data());
}

TEST_CASE("the cost of a pair follows its size", "[pair_slot]") {
  PairBuffers<float> buffers(60, 40, 2, 1.0, 4);
  CHECK(PairSlot(given(buffers.view()), "pair").cost_ns == (60 + 40) * 2 / 4);
}

TEST_CASE("the rates and decays of factors are the group's", "[pair_slot]") {
  lorapro::GroupConfig group;
  group.lr = 0.5;
  group.loraplus_lr_ratio = 4;
  group.weight_decay = 0.25;
  PairBuffers<float> buffers(6, 5, 2, 1.0, 4);
  PairSlot slot(given(buffers.view()), "pair");
  slot.set_rates(group, 0.5);
  CHECK(slot.pair.A.lr == 0.25);
  CHECK(slot.pair.B.lr == 1);
  CHECK(slot.pair.A.decay == 1 - 0.0625);
  CHECK(slot.pair.B.decay == 0.75);
  // Merged decay shrinks W as a whole.
  group.decay_target = lorapro::DecayTarget::merged;
  group.weight_decay = 0.5;
  slot.set_rates(group, 1);
  CHECK(slot.pair.A.decay * slot.pair.B.decay == Approx(0.75).epsilon(1e-15));
}

}  // namespace

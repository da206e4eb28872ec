// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/slot.hpp>

#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/lora_pro_adapter_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::bfloat16;
using PairSlot = lorapro::detail::PairSlot<float, lorapro::AdamWRule>;
using DenseSlot = lorapro::detail::DenseSlot<float, lorapro::AdamWRule>;

TEST_CASE("a pair keeps masters only where the model stores less", "[slot]") {
  PairBuffers<float> fine(6, 5, 2, 1.0, 1);
  const PairSlot without(fine.view(), "fine");
  CHECK(without.pair.B.master.data == nullptr);
  CHECK(without.pair.A.master.data == nullptr);
  PairBuffers<bfloat16> coarse(6, 5, 2, 1.0, 1);
  PairSlot with(coarse.view(), "coarse");
  int visited = 0;
  with.visit_masters([&](const std::string& name, auto tensor) {
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

TEST_CASE("rebinding keeps what rounds to the buffer and follows what was changed", "[slot]") {
  PairBuffers<bfloat16> old(4, 3, 2, 1.0, 2), moved(4, 3, 2, 1.0, 2);
  PairSlot slot(old.view(), "pair");
  const float kept = static_cast<float>(old.A(0, 0)) * 1.0005F;  // rounds to the same bfloat16
  REQUIRE(static_cast<bfloat16>(kept) == old.A(0, 0));
  float* const master_A = static_cast<float*>(slot.pair.A.master.data);
  master_A[0] = kept;
  moved.A(1, 2) = bfloat16(7.0F);
  slot.rebind(PairSlot(moved.view(), "fresh"));
  CHECK(slot.pair.A.value.data == moved.A.data());
  CHECK(slot.name == "pair");
  CHECK(master_A[0] == kept);
  CHECK(master_A[1 * 3 + 2] == 7.0F);
}

TEST_CASE("a slot follows buffers that have moved, and what was written to them", "[slot]") {
  PairBuffers<bfloat16> old(4, 3, 2, 1.0, 2), moved(4, 3, 2, 0.5, 2);
  PairSlot slot(old.view(), "pair");
  const auto first_moment = [&](auto&& f) {
    slot.state.visit([&](const std::string& name, auto tensor) {
      if (name == "exp_avg_A") f(tensor);
    });
  };
  const float five = 5;
  first_moment([&](auto& tensor) { tensor.write(1, 1, &five); });
  moved.A(1, 2) = bfloat16(7.0F);
  slot.move_to(moved.view());
  CHECK(slot.pair.A.value.data == moved.A.data());
  CHECK(slot.pair.B.grad.data == moved.grad_B.data());
  CHECK(slot.pair.scaling == 0.5);
  CHECK(slot.gradients[1].begin == reinterpret_cast<std::uintptr_t>(moved.grad_B.data()));
  float kept = 0;
  first_moment([&](auto& tensor) { tensor.read(1, 1, &kept); });
  CHECK(kept == 5);
  const float* const master_A = static_cast<const float*>(slot.pair.A.master.data);
  CHECK(master_A[5] != 7.0F);
  slot.follow();
  CHECK(master_A[5] == 7.0F);

  PairBuffers<bfloat16> other(4, 3, 1, 1.0, 2);
  CHECK_THROWS_AS(slot.move_to(other.view()), lorapro::ShapeError);
  PairBuffers<float> fine(4, 3, 2, 1.0, 2);
  CHECK_THROWS_AS(slot.move_to(fine.view()), lorapro::ConfigError);
  CHECK(slot.pair.A.value.data == moved.A.data());

  std::vector<float> value(6), grad(6), next(6), next_grad(6);
  DenseSlot dense(lorapro::DenseView<float>{value.data(), grad.data(), 6}, "dense");
  dense.move_to(lorapro::DenseView<float>{next.data(), next_grad.data(), 6});
  CHECK(dense.dense.factor.value.data == next.data());
  CHECK(dense.dense.factor.grad.data == next_grad.data());
  CHECK_THROWS_AS(dense.move_to(lorapro::DenseView<float>{next.data(), next_grad.data(), 5}),
                  lorapro::ShapeError);
}

TEST_CASE("a step passes an inactive slot by", "[slot]") {
  // One rank, so that all three meet in one batch of decompositions.
  std::vector<PairBuffers<float>> buffers;
  for (std::uint64_t seed = 1; seed < 4; ++seed) buffers.emplace_back(6, 5, 2, 1.0, seed);
  lorapro::LoraProOptimizer<float, lorapro::AdapterMoments> optimizer;
  for (auto& pair : buffers) optimizer.attach(pair.view());
  std::vector<float> value(3, 1.0F), grad(3, 1.0F);
  optimizer.attach(lorapro::DenseView<float>{value.data(), grad.data(), 3});
  for (auto& pair : buffers) pair.grad_A.setOnes(), pair.grad_B.setOnes();
  std::size_t number = 0;
  optimizer.for_each_slot([&](auto& slot) { slot.active = ++number == 2; });
  const auto before = buffers;
  CHECK(optimizer.step().updated == 1);
  for (std::size_t i = 0; i < 3; ++i) CHECK(same_parameters(before[i], buffers[i]) == (i != 1));
  CHECK(value[0] == 1.0F);
  CHECK(optimizer.step_count(lorapro::PairId{0}) == 0);
  CHECK(optimizer.step_count(lorapro::PairId{1}) == 1);
  optimizer.for_each_slot([&](auto& slot) { slot.active = true; });
  CHECK(optimizer.step().updated == 4);
}

TEST_CASE("the cost of a slot follows its size", "[slot]") {
  PairBuffers<float> buffers(60, 40, 2, 1.0, 4);
  CHECK(PairSlot(buffers.view(), "pair").cost_ns == (60 + 40) * 2 / 4);
  std::vector<float> value(76), grad(76);
  CHECK(DenseSlot(lorapro::DenseView<float>{value.data(), grad.data(), 76}, "dense").cost_ns == 19);
}

TEST_CASE("a step's context and rates are the group's", "[slot]") {
  lorapro::OptimizerConfig config;
  config.seed = 7;
  lorapro::GroupConfig group;
  group.lr = 0.5;
  group.loraplus_lr_ratio = 4;
  group.weight_decay = 0.25;
  group.clip_norm = lorapro::ClipNorm::adapter;
  PairBuffers<float> buffers(6, 5, 2, 1.0, 4);
  PairSlot slot(buffers.view(), "pair");
  const auto begin = [&](std::int64_t step, std::uint64_t stream) {
    slot.step = step;
    slot.stream = stream;
    slot.set_context(config, group, 0.125);
    slot.set_rates(group, 0.5);
    return slot.context.rounding_key;
  };
  const auto key = begin(2, 5);
  CHECK(slot.context.config == &config);
  CHECK(slot.context.grad_scale == 0.125);
  CHECK(slot.context.clip == 1);
  CHECK(slot.context.step == 3);
  CHECK(slot.context.clip_norm == lorapro::ClipNorm::adapter);
  CHECK(slot.pair.A.lr == 0.25);
  CHECK(slot.pair.B.lr == 1);
  CHECK(slot.pair.A.decay == 1 - 0.0625);
  CHECK(slot.pair.B.decay == 0.75);
  // Stochastic rounding has a key of its own for each step and each parameter.
  CHECK(begin(3, 5) != key);
  CHECK(begin(2, 6) != key);
  CHECK(begin(2, 5) == key);

  // Merged decay shrinks W as a whole, and dense parameters as ever.
  group.decay_target = lorapro::DecayTarget::merged;
  group.weight_decay = 0.5;
  slot.set_rates(group, 1);
  CHECK(slot.pair.A.decay * slot.pair.B.decay == Approx(0.75).epsilon(1e-15));
  std::vector<float> value(6), grad(6);
  DenseSlot dense(lorapro::DenseView<float>{value.data(), grad.data(), 6}, "dense");
  dense.set_rates(group, 1);
  CHECK(dense.dense.factor.decay == 0.75);
}

}  // namespace

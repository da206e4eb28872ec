// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/slot.hpp>

#include <lorapro/optim/lora_pro_adapter_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::detail::Slot;

TEST_CASE("a step's context is the group's", "[slot]") {
  lorapro::OptimizerConfig config;
  config.seed = 7;
  lorapro::GroupConfig group;
  group.clip_norm = lorapro::ClipNorm::adapter;
  Slot slot;
  const auto begin = [&](std::int64_t step, std::uint64_t stream) {
    slot.step = step;
    slot.stream = stream;
    slot.set_context(config, group, 0.125);
    return slot.context.rounding_key;
  };
  const auto key = begin(2, 5);
  CHECK(slot.context.config == &config);
  CHECK(slot.context.grad_scale == 0.125);
  CHECK(slot.context.clip == 1);
  CHECK(slot.context.step == 3);
  CHECK(slot.context.clip_norm == lorapro::ClipNorm::adapter);
  // Stochastic rounding has a key of its own for each step and each parameter.
  CHECK(begin(3, 5) != key);
  CHECK(begin(2, 6) != key);
  CHECK(begin(2, 5) == key);
}

TEST_CASE("the memory of a parameter is that of its values and gradients", "[slot]") {
  PairBuffers<float> pair(6, 5, 2, 1.0, 4);
  const auto of_pair = lorapro::detail::given(pair.view()).memory;
  const auto begins_at = [](const auto& memory, const float* data) {
    return memory.range.begin == reinterpret_cast<std::uintptr_t>(data);
  };
  CHECK((std::string(of_pair[0].name) == "lora_A" && begins_at(of_pair[0], pair.A.data())));
  CHECK((std::string(of_pair[1].name) == "lora_B" && begins_at(of_pair[1], pair.B.data())));
  CHECK((std::string(of_pair[2].name) == "grad_A" && begins_at(of_pair[2], pair.grad_A.data())));
  CHECK((std::string(of_pair[3].name) == "grad_B" && begins_at(of_pair[3], pair.grad_B.data())));
  CHECK(of_pair[1].range.end - of_pair[1].range.begin == sizeof(float) * 6 * 2);
  std::vector<float> value(3), grad(3);
  const auto of_dense =
      lorapro::detail::given(lorapro::DenseView<float>{value.data(), grad.data(), 3}).memory;
  CHECK(begins_at(of_dense[0], value.data()));
  CHECK(begins_at(of_dense[1], grad.data()));
  CHECK(of_dense[2].range.begin == of_dense[2].range.end);
  // Gradients that lie elsewhere at every step are given up, values are not.
  for (const auto& memory : {of_pair, of_dense}) {
    Slot slot;
    slot.memory = memory;
    slot.release_gradients();
    for (std::size_t i = 0; i < memory.size(); ++i) {
      const bool is_gradient = std::string(memory[i].name).find("grad") == 0;
      CHECK(slot.memory[i].range.begin == (is_gradient ? 0 : memory[i].range.begin));
      CHECK(slot.memory[i].range.end == (is_gradient ? 0 : memory[i].range.end));
    }
  }
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

}  // namespace

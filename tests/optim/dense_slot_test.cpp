// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/dense_slot.hpp>

#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/rule_slots.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::bfloat16;
using lorapro::DenseView;
using lorapro::detail::given;
using DenseSlot = lorapro::detail::RuleDenseSlot<float, lorapro::AdamWRule>;

TEST_CASE("a dense parameter follows buffers that have moved", "[dense_slot]") {
  std::vector<float> value(6), grad(6), next(6), next_grad(6);
  DenseSlot dense(given(DenseView<float>{value.data(), grad.data(), 6}), "dense");
  dense.move_to(given(DenseView<float>{next.data(), next_grad.data(), 6}));
  CHECK(dense.dense.factor.value.data == next.data());
  CHECK(dense.dense.factor.grad.data == next_grad.data());
  CHECK_THROWS_AS(dense.move_to(given(DenseView<float>{next.data(), next_grad.data(), 5})),
                  lorapro::ShapeError);
}

TEST_CASE("a dense parameter has a master only where the model stores less", "[dense_slot]") {
  std::vector<float> value(5, 1.5F), grad(5);
  DenseSlot fine(given(DenseView<float>{value.data(), grad.data(), 5}), "fine");
  fine.visit_masters(
      [](const std::string&, const lorapro::StateTensor&) { FAIL("a float has no master"); });
  std::vector<bfloat16> coarse(5, bfloat16(0.75F)), coarse_grad(5);
  DenseSlot slot(given(DenseView<bfloat16>{coarse.data(), coarse_grad.data(), 5}), "coarse");
  const auto master = [&] {
    std::vector<float> numbers(5);
    slot.visit_masters([&](const std::string& name, const lorapro::StateTensor& tensor) {
      CHECK(name == "master");
      tensor.read(numbers.data());
    });
    return numbers;
  };
  CHECK(master() == std::vector<float>(5, 0.75F));
  coarse[2] = bfloat16(7.0F);
  slot.follow();
  CHECK(master() == std::vector<float>{0.75F, 0.75F, 7.0F, 0.75F, 0.75F});
}

TEST_CASE("the cost and rates of a dense parameter", "[dense_slot]") {
  std::vector<float> value(76), grad(76);
  DenseSlot slot(given(DenseView<float>{value.data(), grad.data(), 76}), "dense");
  CHECK(slot.cost_ns == 19);
  lorapro::GroupConfig group;
  group.lr = 0.5;
  group.loraplus_lr_ratio = 4;  // no part in it
  group.weight_decay = 0.5;
  group.decay_target = lorapro::DecayTarget::merged;
  slot.set_rates(group, 0.5);
  CHECK(slot.dense.factor.lr == 0.25);
  CHECK(slot.dense.factor.decay == 0.875);
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/optimizer_parameters.hpp>

#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/optimizer.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::DenseId;
using lorapro::DenseView;
using lorapro::PairId;
using AdamWOptimizer = lorapro::Optimizer<float, lorapro::AdamWRule>;

TEST_CASE("what attach refuses is named, whether it has a name or not", "[optimizer_parameters]") {
  PairBuffers<float> first(6, 5, 2, 1.0, 1), second(6, 5, 2, 1.0, 2);
  std::vector<float> value(4), grad(4);
  AdamWOptimizer optimizer;
  optimizer.attach(first.view(), {}, "layers.0.q_proj");
  auto view = second.view();
  view.grad_B = first.view().grad_B;
  CHECK_THROWS_WITH(optimizer.attach(view, {}, "layers.1.q_proj"),
                    "layers.1.q_proj: grad_B: expected memory of its own, got memory shared with "
                    "layers.0.q_proj");
  view = second.view();
  view.lora_B.data = nullptr;
  CHECK_THROWS_WITH(optimizer.attach(view),
                    "pair.1: lora_B: expected a buffer, got a null pointer");
  CHECK_THROWS_WITH(optimizer.attach(DenseView<float>{value.data(), grad.data(), 4, 3}),
                    "dense.0: cols: expected 0 or a divisor of size 4, got 3");
  CHECK_THROWS_WITH(optimizer.attach(second.view(), {2}, "head"),
                    "head: group: expected one of 1 groups, got number 2");
  // None of them took a number.
  CHECK(optimizer.attach(second.view()).index == 1);
  CHECK(optimizer.attach(DenseView<float>{value.data(), grad.data(), 4}).index == 0);
  lorapro::GroupConfig decaying;
  decaying.weight_decay = 0.1;
  decaying.decay_target = lorapro::DecayTarget::merged;
  CHECK_THROWS_WITH(optimizer.set_group(decaying),
                    "layers.0.q_proj: decay_target: expected a sole, writable W0 for merged decay, "
                    "got none for this pair");
}

TEST_CASE("a number in braces is a pair's", "[optimizer_parameters]") {
  PairBuffers<float> pair(6, 5, 2, 1.0, 1);
  std::vector<float> value(4, 1.0F), grad(4, 1.0F);
  AdamWOptimizer optimizer;
  optimizer.attach(pair.view());
  const DenseId dense = optimizer.attach(DenseView<float>{value.data(), grad.data(), 4});
  optimizer.freeze({0});
  CHECK(optimizer.frozen({0}));
  CHECK_FALSE(optimizer.frozen(dense));
  CHECK(optimizer.step().frozen == 1);
  CHECK(optimizer.step_count({0}) == 0);
  CHECK(optimizer.step_count(dense) == 1);
  optimizer.thaw({0});
  optimizer.leave_out(dense);
  CHECK(optimizer.step().left_out == 1);
  CHECK(optimizer.step_count({0}) == 1);
  CHECK(optimizer.report({0}).usable());
  CHECK(optimizer.report(dense).usable());
  optimizer.zero_grad();
  CHECK(grad == std::vector<float>(4));
  CHECK(pair.grad_A.isZero());
  optimizer.reset_pairs();
  CHECK(optimizer.step_count({0}) == 0);
  CHECK(optimizer.step_count(dense) == 1);
}

}  // namespace

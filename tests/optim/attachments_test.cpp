// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/attachments.hpp>

#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/optimizer.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::AdamWRule;
using lorapro::DenseId;
using lorapro::PairId;
using AdamWOptimizer = lorapro::Optimizer<float, AdamWRule>;

struct AttachedVector {
  explicit AttachedVector(float number) : value(7, number), grad(7, 0.5F) {}
  lorapro::DenseView<float> view() { return {value.data(), grad.data(), 7}; }
  std::vector<float> value, grad;
};

TEST_CASE("a dense parameter is detached with its state and attached again", "[attachments]") {
  AttachedVector one(1.0F), twin(1.0F), other(2.0F), elsewhere(1.0F);
  AdamWOptimizer optimizer, undisturbed;
  const DenseId id = optimizer.attach(one.view(), {}, "head");
  const DenseId kept = optimizer.attach(other.view());
  undisturbed.attach(twin.view());
  for (int step = 0; step < 3; ++step) {
    CHECK(optimizer.step().updated == 2);
    (void)undisturbed.step();
  }
  CHECK(optimizer.step_count(id) == 3);
  auto detached = optimizer.detach(id);
  CHECK(detached.size() == 7);
  CHECK_THROWS_WITH(optimizer.detach(id),
                    "dense: expected an attached dense parameter, got number 0");
  CHECK_THROWS_AS(optimizer.step_count(id), lorapro::StateError);
  const std::vector<float> before = one.value;
  CHECK(optimizer.step().updated == 1);
  CHECK(one.value == before);
  CHECK(optimizer.step_count(kept) == 4);

  // Other buffers of the same size; another size, type or memory that is taken leave it whole.
  AttachedVector small(0.0F);
  CHECK_THROWS_AS(
      optimizer.attach(lorapro::DenseView<float>{small.value.data(), small.grad.data(), 6},
                       std::move(detached)),
      lorapro::ShapeError);
  CHECK_THROWS_AS(optimizer.attach(other.view(), std::move(detached)), lorapro::ShapeError);
  elsewhere.value = one.value;
  const DenseId again = optimizer.attach(elsewhere.view(), std::move(detached));
  CHECK(optimizer.step_count(again) == 3);
  CHECK(optimizer.step().updated == 2);
  (void)undisturbed.step();
  CHECK(elsewhere.value == twin.value);
  CHECK(one.value == before);
  CHECK_THROWS_AS(optimizer.attach(one.view(), std::move(detached)), lorapro::StateError);
  // The old buffers and the name of something new are free.
  CHECK_NOTHROW(optimizer.attach(one.view()));
  CHECK_THROWS_AS(optimizer.attach(small.view(), {}, "head"), lorapro::ConfigError);
}

TEST_CASE("a gradient buffer belongs to one parameter", "[attachments]") {
  AttachedVector one(1.0F), other(2.0F);
  AdamWOptimizer optimizer;
  optimizer.attach(one.view(), {}, "one");
  CHECK_THROWS_WITH(
      optimizer.attach(lorapro::DenseView<float>{other.value.data(), one.grad.data(), 7}),
      "dense.1: grad: expected memory of its own, got memory shared with one");
  CHECK(optimizer.step().updated == 1);
  CHECK_NOTHROW(optimizer.attach(other.view()));
}

TEST_CASE("buffers that slots moved to are taken, those that they left are free", "[attachments]") {
  AttachedVector one(1.0F), next(1.0F), third(3.0F);
  AdamWOptimizer optimizer;
  optimizer.attach(one.view());
  optimizer.for_each_slot([&](auto& slot) {
    if constexpr (std::is_same_v<std::decay_t<decltype(slot)>, lorapro::detail::DenseSlot<float>>)
      slot.move_to(lorapro::detail::given(next.view()));
  });
  CHECK_THROWS_AS(optimizer.attach(next.view()), lorapro::ShapeError);
  CHECK_NOTHROW(optimizer.attach(one.view()));
  CHECK(optimizer.step().updated == 2);
}

TEST_CASE("many pairs are attached, detached and stepped", "[attachments]") {
  std::vector<std::unique_ptr<PairBuffers<float>>> pairs;
  AdamWOptimizer optimizer;
  for (std::uint64_t k = 0; k < 3000; ++k) {
    pairs.push_back(std::make_unique<PairBuffers<float>>(3, 2, 1, 1.0, k));
    pairs.back()->grad_A.setOnes();
    pairs.back()->grad_B.setOnes();
    optimizer.attach(pairs.back()->view());
  }
  CHECK_THROWS_AS(optimizer.attach(pairs[1234]->view()), lorapro::ShapeError);
  CHECK(optimizer.step().updated == 3000);
  for (Index k = 0; k < 3000; k += 3) (void)optimizer.detach(PairId{k});
  CHECK(optimizer.step().updated == 2000);
  CHECK_NOTHROW(optimizer.attach(pairs[3]->view()));
  CHECK_THROWS_AS(optimizer.attach(pairs[4]->view()), lorapro::ShapeError);
  CHECK(optimizer.step().updated == 2001);
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/lora_pro_full_rule.hpp>
#include <lorapro/optim/observer.hpp>
#include <lorapro/optim/sgd_rule.hpp>

#include "support/message_of.hpp"
#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::ClipNorm;
using lorapro::StepEvent;
using Pro = lorapro::LoraPro<lorapro::FullMoments<float>>;

/// Two groups: group 0 clips 5 to 2.5, group 1 does not clip.
struct TwoGroups {
  float clipped[2] = {}, clipped_grad[2] = {3, 4}, free[1] = {}, free_grad[1] = {7};
  lorapro::Optimizer<float, lorapro::SgdRule> optimizer;

  explicit TwoGroups(const lorapro::LrSchedule& schedule = lorapro::LrSchedule::constant())
      : optimizer(config(schedule)) {
    lorapro::GroupConfig group;
    group.lr = 0.5;
    const auto second = optimizer.add_group(group);
    optimizer.attach(lorapro::DenseView<float>{clipped, clipped_grad, 2});
    optimizer.attach(lorapro::DenseView<float>{free, free_grad, 1}, second);
  }
  static lorapro::OptimizerConfig config(const lorapro::LrSchedule& schedule) {
    lorapro::OptimizerConfig config;
    config.schedule = schedule;
    config.group.lr = 0.25;
    config.group.clip_norm = ClipNorm::adapter;
    config.group.max_grad_norm = 2.5;
    return config;
  }
};

TEST_CASE("an observer is told what every step did", "[observer]") {
  TwoGroups two(lorapro::LrSchedule::constant(2));  // factors 0.5, 1
  std::vector<StepEvent> events;
  two.optimizer.add_observer([&](const StepEvent& event) { events.push_back(event); });
  for (int t = 1; t <= 2; ++t) {
    if (t == 1) two.optimizer.set_loss(1.75);
    const auto before = std::chrono::steady_clock::now();
    const lorapro::StepReport report = two.optimizer.step();
    const std::chrono::duration<double, std::milli> elapsed =
        std::chrono::steady_clock::now() - before;
    REQUIRE(events.size() == static_cast<std::size_t>(t));
    const StepEvent& event = events.back();
    CHECK(event.report.step == t);
    CHECK(event.report.updated == 2);
    CHECK(event.report.grad_norm == report.grad_norm);
    CHECK(event.report.lr_factor == report.lr_factor);
    CHECK(event.milliseconds > 0);
    CHECK(event.milliseconds < elapsed.count());
    CHECK(event.loss.has_value() == (t == 1));  // told once
    CHECK(event.loss.value_or(1.75) == 1.75);
    REQUIRE(event.groups.size() == 2);
    CHECK(event.groups[0].lr == 0.25 * t / 2);
    CHECK(event.groups[0].grad_norm == 5.0);
    CHECK(event.groups[0].clip_factor == 0.5);
    CHECK(event.groups[1].lr == 0.5 * t / 2);
    CHECK_FALSE(event.groups[1].grad_norm.has_value());
    CHECK(event.groups[1].clip_factor == 1);
  }
}

TEST_CASE("an observer comes when the step is whole", "[observer]") {
  TwoGroups two;
  int calls = 0;
  two.optimizer.add_observer([&](const StepEvent& event) {
    ++calls;
    CHECK(two.optimizer.step_count() == event.report.step);
    CHECK(two.free[0] == -3.5F * static_cast<float>(event.report.step));
  });
  CHECK(two.optimizer.step().updated == 2);
  CHECK(two.optimizer.step().updated == 2);
  CHECK(calls == 2);
  two.optimizer.clear_observers();
  CHECK(two.optimizer.step().updated == 2);
  CHECK(calls == 2);
}

TEST_CASE("a loss that nobody was told of is not told later", "[observer]") {
  TwoGroups two;
  two.optimizer.set_loss(3);
  CHECK(two.optimizer.step().updated == 2);
  std::vector<std::optional<double>> losses;
  two.optimizer.add_observer([&](const StepEvent& event) { losses.push_back(event.loss); });
  CHECK(two.optimizer.step().updated == 2);
  two.optimizer.set_loss(4);
  CHECK(two.optimizer.step().updated == 2);
  CHECK(losses == std::vector<std::optional<double>>{std::nullopt, 4.0});
}

TEST_CASE("a step that is refused is told to nobody", "[observer]") {
  TwoGroups two;
  std::vector<double> losses;
  two.optimizer.add_observer([&](const StepEvent& event) { losses.push_back(event.loss.value()); });
  two.optimizer.set_loss(3);
  CHECK_THROWS_AS(static_cast<void>(two.optimizer.step({0, 1})), lorapro::ConfigError);
  CHECK(losses.empty());
  CHECK(two.optimizer.step().updated == 2);  // the same batch
  CHECK(losses == std::vector<double>{3});
}

TEST_CASE("an observer that throws leaves a whole step behind", "[observer][trap]") {
  lorapro::OptimizerConfig config;
  config.group.weight_decay = 0.1;
  PairBuffers<float> pair(12, 20, 3, 2.0, 1), twin = pair;
  lorapro::Optimizer<float, Pro> optimizer(config), plain(config);
  const auto id = optimizer.attach(pair.view());
  plain.attach(twin.view());
  std::vector<int> called;
  optimizer.add_observer([&](const StepEvent&) { called.push_back(1); });
  optimizer.add_observer([&](const StepEvent& event) {
    called.push_back(2);
    if (event.report.step == 2) throw std::runtime_error("second");
  });
  optimizer.add_observer([&](const StepEvent& event) {
    called.push_back(3);
    if (event.report.step == 2) throw std::logic_error("third");
  });
  for (int t = 1; t <= 3; ++t) {
    const RealMatrix G = random_matrix(12, 20, static_cast<std::uint64_t>(t));
    pair.backpropagate(G);
    twin.backpropagate(G);
    CHECK(plain.step().updated == 1);
    called.clear();
    optimizer.set_loss(1);
    if (t == 2) {
      CHECK(message_of<std::runtime_error>([&] { static_cast<void>(optimizer.step()); }) ==
            "second");
    } else {
      CHECK(optimizer.step().updated == 1);
    }
    CHECK(called == std::vector<int>{1, 2, 3});
    CHECK(optimizer.step_count() == t);
    CHECK(optimizer.step_count(id) == t);
    CHECK(same_parameters(pair, twin));
    CHECK(state_of(optimizer) == state_of(plain));
  }
}

TEST_CASE("an observer may change rates, groups and attachments for the next step", "[observer]") {
  TwoGroups two;
  float late[1] = {}, late_grad[1] = {1};
  two.optimizer.add_observer([&](const StepEvent& event) {
    if (event.report.step > 1) return;
    two.optimizer.set_lr(0.125);
    const auto third = two.optimizer.add_group({});
    two.optimizer.attach(lorapro::DenseView<float>{late, late_grad, 1}, third);
  });
  std::vector<StepEvent> events;
  two.optimizer.add_observer([&](const StepEvent& event) { events.push_back(event); });
  CHECK(two.optimizer.step().updated == 2);
  CHECK(two.optimizer.step().updated == 3);
  REQUIRE(events.size() == 2);
  CHECK(events[0].groups.size() == 2);
  CHECK(events[0].groups[0].lr == 0.25);  // that this step took
  CHECK(events[1].groups.size() == 3);
  CHECK(events[1].groups[0].lr == 0.125);
}

TEST_CASE("an observer must not step nor change the observers", "[observer]") {
  TwoGroups two;
  int action = 0;
  two.optimizer.add_observer([&](const StepEvent&) {
    if (action == 0) static_cast<void>(two.optimizer.step());
    if (action == 1) two.optimizer.add_observer([](const StepEvent&) {});
    if (action == 2) two.optimizer.clear_observers();
  });
  for (; action < 3; ++action) {
    CAPTURE(action);
    CHECK(message_of<lorapro::StateError>([&] { static_cast<void>(two.optimizer.step()); }) ==
          "observer: expected no step and no change of observers in one");
    CHECK(two.optimizer.step_count() == action + 1);
  }
  CHECK(two.optimizer.step().updated == 2);
}

TEST_CASE("an observer has to be callable", "[observer]") {
  TwoGroups two;
  CHECK(message_of<lorapro::ConfigError>([&] { two.optimizer.add_observer(nullptr); }) ==
        "observer: expected something to call, got nothing");
  CHECK(two.optimizer.step().updated == 2);
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/lr_schedule.hpp>

#include "support/catch.hpp"

namespace {

using lorapro::LrSchedule;

TEST_CASE("a constant schedule is 1 after its warm-up", "[lr_schedule]") {
  CHECK(LrSchedule::constant().shape() == LrSchedule::Shape::constant);
  CHECK(LrSchedule::linear(2, 6).warmup_steps() == 2);
  CHECK(LrSchedule::linear(2, 6).total_steps() == 6);
  CHECK(LrSchedule::constant().factor(1) == 1);
  CHECK(LrSchedule::constant().factor(1000000) == 1);
  const LrSchedule warm = LrSchedule::constant(4);
  const double expected[] = {0.25, 0.5, 0.75, 1, 1, 1};
  for (int t = 1; t <= 6; ++t) CHECK(warm.factor(t) == expected[t - 1]);
}

TEST_CASE("a linear schedule falls in equal steps and ends one step after the last",
          "[lr_schedule]") {
  const LrSchedule schedule = LrSchedule::linear(2, 6);
  const double expected[] = {0.5, 1, 1, 0.75, 0.5, 0.25, 0, 0};
  for (int t = 1; t <= 8; ++t) CHECK(schedule.factor(t) == expected[t - 1]);
  CHECK(LrSchedule::linear(0, 1).factor(1) == 1);
  CHECK(LrSchedule::linear(0, 1).factor(2) == 0);
  CHECK(LrSchedule::linear(3, 3).factor(3) == 1);
  CHECK(LrSchedule::linear(3, 3).factor(4) == 0);
}

TEST_CASE("a cosine schedule has the same ends and the middle of a cosine", "[lr_schedule]") {
  const LrSchedule schedule = LrSchedule::cosine(2, 6);
  const double expected[] = {0.5, 1, 1, 0.5 + std::sqrt(0.125), 0.5, 0.5 - std::sqrt(0.125), 0, 0};
  for (int t = 1; t <= 8; ++t) CHECK(schedule.factor(t) == Approx(expected[t - 1]).margin(1e-15));
  for (int t = 1; t < 1000; ++t) {
    const double now = LrSchedule::cosine(100, 1000).factor(t);
    if (!(now > 0 && now <= 1)) FAIL_CHECK(t);
    if (t > 100 && !(LrSchedule::cosine(100, 1000).factor(t + 1) < now)) FAIL_CHECK(t);
  }
}

TEST_CASE("schedules say which number is wrong", "[lr_schedule]") {
  using lorapro::ConfigError;
  CHECK_THROWS_WITH(LrSchedule::constant(-1), "warmup_steps: expected a number >= 0, got -1");
  CHECK_THROWS_WITH(LrSchedule::linear(5, 4),
                    "total_steps: expected a number >= 1 and >= warmup_steps, got 4");
  CHECK_THROWS_WITH(LrSchedule::cosine(0, 0),
                    "total_steps: expected a number >= 1 and >= warmup_steps, got 0");
  CHECK_THROWS_AS(LrSchedule::cosine(-1, 3), ConfigError);
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/report.hpp>
#include <lorapro/optim/sgd_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;

TEST_CASE("a report starts with nothing done", "[report]") {
  const lorapro::StepReport report;
  CHECK(report.updated + report.skipped() == 0);
  CHECK(report.rank_deficient == 0);
  CHECK(report.grad_norm == 0);
  CHECK(report.clip_factor == 1);
  CHECK(report.lr_factor == 1);
  CHECK(report.step == 0);
  const lorapro::StepScale scale;
  CHECK(scale.loss_scale == 1);
  CHECK(scale.accumulated == 1);
}

TEST_CASE("a report counts each status in its place", "[report]") {
  using lorapro::AdjustStatus;
  lorapro::StepReport report;
  report.count(AdjustStatus::ok);
  report.count(AdjustStatus::rank_deficient);
  for (int i = 0; i < 3; ++i) report.count(AdjustStatus::non_finite);
  for (int i = 0; i < 4; ++i) report.count(AdjustStatus::overflow);
  CHECK(report.updated == 2);
  CHECK(report.rank_deficient == 1);
  CHECK(report.skipped_non_finite == 3);
  CHECK(report.skipped_overflow == 4);
  CHECK(report.skipped() == 7);
}

TEST_CASE("a report counts steps and gives factor and norm", "[report]") {
  lorapro::OptimizerConfig config;
  config.schedule = lorapro::LrSchedule::linear(2, 4);
  config.group.clip_norm = lorapro::ClipNorm::adapter;
  config.group.max_grad_norm = 2.5;
  float value[4] = {}, grad[4] = {3, 0, 0, 4};
  lorapro::Optimizer<float, lorapro::SgdRule> optimizer(config);
  optimizer.attach(lorapro::DenseView<float>{value, grad, 4});
  const double factors[] = {0.5, 1, 1, 0.5, 0};
  for (int t = 1; t <= 5; ++t) {
    const lorapro::StepReport report = optimizer.step({2.0, 1});
    CHECK(report.step == t);
    CHECK(report.updated == 1);
    CHECK(report.lr_factor == factors[t - 1]);
    CHECK(report.grad_norm == 2.5);  // 5 by the loss scale
    CHECK(report.clip_factor == 1);
  }
  CHECK(optimizer.step().grad_norm == 5);
  CHECK(optimizer.step().clip_factor == 0.5);
  CHECK(optimizer.step_count() == 7);
}

}  // namespace

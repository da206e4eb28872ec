// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/optimizer_config.hpp>

#include "support/catch.hpp"

namespace {

using lorapro::OptimizerConfig;

/// The message of validate() after one change of a valid config.
std::string message_of(void (*change)(OptimizerConfig&)) {
  OptimizerConfig config;
  change(config);
  try {
    config.validate();
  } catch (const lorapro::ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("the default options are valid and documented", "[optimizer_config]") {
  const OptimizerConfig config;
  CHECK_NOTHROW(config.validate());
  CHECK(config.group.lr == 1e-3);
  CHECK(config.group.loraplus_lr_ratio == 1);
  CHECK(config.group.weight_decay == 0);
  CHECK(config.group.clip_norm == lorapro::ClipNorm::none);
  CHECK(config.group.decay_target == lorapro::DecayTarget::adapter);
  CHECK(config.damping == 0.1);
  CHECK(config.gauge == lorapro::Gauge::sylvester);
  CHECK(config.adjust_options().damping == config.damping);
  CHECK(config.adjust_options().gauge == config.gauge);
  CHECK_FALSE(config.max_relative_move);
  CHECK(config.adjust_options().max_relative_move == 0.05);
}

TEST_CASE("the published algorithm is one call away", "[optimizer_config]") {
  const OptimizerConfig config = OptimizerConfig::paper_exact();
  CHECK_NOTHROW(config.validate());
  CHECK(config.damping == 0);
  CHECK(config.gauge == lorapro::Gauge::sylvester);
  CHECK(config.group.decay_target == lorapro::DecayTarget::adapter);
}

TEST_CASE("each option has one precise message", "[optimizer_config]") {
  static constexpr double kInf = std::numeric_limits<double>::infinity();
  CHECK(message_of([](OptimizerConfig& c) { c.group.lr = -1; }) ==
        "lr: expected a finite number >= 0, got -1");
  CHECK(message_of([](OptimizerConfig& c) { c.group.lr = kInf; }) ==
        "lr: expected a finite number >= 0, got inf");
  CHECK(message_of([](OptimizerConfig& c) { c.group.loraplus_lr_ratio = 0; }) ==
        "loraplus_lr_ratio: expected a finite number > 0, got 0");
  CHECK(message_of([](OptimizerConfig& c) { c.group.weight_decay = -0.5; }) ==
        "weight_decay: expected a finite number >= 0, got -0.5");
  CHECK(message_of([](OptimizerConfig& c) { c.group.max_grad_norm = 0; }) ==
        "max_grad_norm: expected a finite number > 0, got 0");
  CHECK(message_of([](OptimizerConfig& c) { c.beta1 = 1; }) ==
        "beta1: expected a number in [0, 1), got 1");
  CHECK(message_of([](OptimizerConfig& c) { c.beta2 = -0.1; }) ==
        "beta2: expected a number in [0, 1), got -0.1");
  CHECK(message_of([](OptimizerConfig& c) { c.eps = 0; }) ==
        "eps: expected a finite number >= 1e-30, got 0");
  CHECK(message_of([](OptimizerConfig& c) { c.damping = -1; }) ==
        "damping: expected a finite number >= 0, got -1");
  CHECK(message_of([](OptimizerConfig& c) { c.max_relative_move = 0; }) ==
        "max_relative_move: expected a finite number > 0, got 0");
  CHECK(message_of([](OptimizerConfig& c) { c.threads = -2; }) ==
        "threads: expected a number >= 0, got -2");
}

TEST_CASE("NaN is refused in every option", "[optimizer_config]") {
  static constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  CHECK(message_of([](OptimizerConfig& c) { c.group.lr = kNan; }) != "");
  CHECK(message_of([](OptimizerConfig& c) { c.group.loraplus_lr_ratio = kNan; }) != "");
  CHECK(message_of([](OptimizerConfig& c) { c.group.weight_decay = kNan; }) != "");
  CHECK(message_of([](OptimizerConfig& c) { c.group.max_grad_norm = kNan; }) != "");
  CHECK(message_of([](OptimizerConfig& c) { c.beta1 = kNan; }) != "");
  CHECK(message_of([](OptimizerConfig& c) { c.beta2 = kNan; }) != "");
  CHECK(message_of([](OptimizerConfig& c) { c.eps = kNan; }) != "");
  CHECK(message_of([](OptimizerConfig& c) { c.damping = kNan; }) != "");
}

}  // namespace

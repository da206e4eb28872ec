// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/config_json.hpp>

#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace {

namespace io = lorapro::io;
using lorapro::GroupConfig;
using lorapro::LrSchedule;
using lorapro::OptimizerConfig;
using nlohmann::json;

TEST_CASE("the options of a group come back", "[io][config_json]") {
  GroupConfig group;
  group.lr = 0.1;  // no finite binary fraction
  group.weight_decay = 1.0 / 3;
  group.decay_target = lorapro::DecayTarget::merged;
  group.max_grad_norm = 1e300;
  for (const auto norm : {lorapro::ClipNorm::none, lorapro::ClipNorm::equivalent_gradient,
                          lorapro::ClipNorm::adapter}) {
    group.clip_norm = norm;
    const json written = io::json_of_group(group);
    const GroupConfig back = io::group_from_json(json::parse(written.dump()), "f");
    CHECK(back.lr == group.lr);
    CHECK(back.weight_decay == group.weight_decay);
    CHECK(back.decay_target == group.decay_target);
    CHECK(back.max_grad_norm == group.max_grad_norm);
    CHECK(back.clip_norm == norm);
    // Every field is in it: one that is forgotten would come back as its default.
    CHECK(io::json_of_group(back) == written);
    CHECK(written.size() * sizeof(double) >= sizeof(GroupConfig) - 2 * sizeof(int));
  }
}

TEST_CASE("the options of an optimizer come back, threads apart", "[io][config_json]") {
  OptimizerConfig config;
  config.beta1 = 0.7;
  config.beta2 = 0.77;
  config.eps = 1e-7;
  config.damping = 0.3;
  config.max_relative_move = 0.2;
  config.seed = ~std::uint64_t{0};
  config.threads = 7;
  for (const auto gauge :
       {lorapro::Gauge::sylvester, lorapro::Gauge::balanced, lorapro::Gauge::zero})
    for (const auto& schedule :
         {LrSchedule::constant(5), LrSchedule::linear(1, 9), LrSchedule::cosine(2, 8)}) {
      config.gauge = gauge;
      config.schedule = schedule;
      const auto back =
          io::optimizer_from_json(json::parse(io::json_of_optimizer(config).dump()), "f");
      CHECK(back.beta1 == 0.7);
      CHECK(back.beta2 == 0.77);
      CHECK(back.eps == 1e-7);
      CHECK(back.damping == 0.3);
      CHECK(back.max_relative_move == 0.2);
      CHECK(back.seed == config.seed);
      CHECK(back.gauge == gauge);
      CHECK(back.threads == 0);
      CHECK(back.schedule.shape() == schedule.shape());
      for (int step = 1; step < 12; ++step)
        CHECK(back.schedule.factor(step) == schedule.factor(step));
    }
}

TEST_CASE("what is left to the rule stays so", "[io][config_json]") {
  const json written = io::json_of_optimizer(OptimizerConfig());
  CHECK(written.at("beta1").is_null());
  CHECK(written.at("max_relative_move").is_null());
  CHECK_FALSE(io::optimizer_from_json(written, "f").beta1.has_value());
  CHECK_FALSE(io::optimizer_from_json(written, "f").max_relative_move.has_value());
}

TEST_CASE("options that a file lacks have their default", "[io][config_json]") {
  const GroupConfig group = io::group_from_json({{"lr", 3}}, "f");
  CHECK(group.lr == 3);
  CHECK(group.max_grad_norm == GroupConfig().max_grad_norm);
  CHECK(io::optimizer_from_json(json::object(), "f").beta2 == OptimizerConfig().beta2);
}

TEST_CASE("options that cannot be are refused", "[io][config_json]") {
  const auto group = [](const json& value) {
    return message_of<io::FormatError>([&] { io::group_from_json(value, "f"); });
  };
  CHECK(group(3) == "f: expected an object");
  CHECK(group({{"lr", "1"}}) == R"(f: lr: expected a number, got "1")");
  CHECK(group({{"lr", nullptr}}) == "f: lr: expected a number, got null");
  CHECK(group({{"lr", -1}}) == "f: lr: expected a finite number >= 0, got -1");
  CHECK(group({{"clip_norm", "x"}}) ==
        R"(f: clip_norm: expected none or equivalent_gradient or adapter, got "x")");
  CHECK(group({{"clip_norm", 0}}).find("f: clip_norm: expected none or") == 0);
  CHECK(group({{"momentum", 1}}) == "f: expected known options, got \"momentum\"");
  const auto optimizer = [](const json& value) {
    return message_of<io::FormatError>([&] { io::optimizer_from_json(value, "f"); });
  };
  CHECK(optimizer({{"seed", -1}}) == "f: seed: expected a whole number, got -1");
  CHECK(optimizer({{"seed", 1.5}}) == "f: seed: expected a whole number, got 1.5");
  CHECK(optimizer({{"beta1", 1}}) == "f: beta1: expected a number in [0, 1), got 1");
  CHECK(optimizer({{"schedule", 1}}) == "f: schedule: expected an object");
  CHECK(optimizer({{"schedule", {{"shape", "step"}}}}) ==
        R"(f: schedule: shape: expected constant or linear or cosine, got "step")");
  CHECK(optimizer({{"schedule", {{"shape", "linear"}, {"total_steps", 0}}}})
            .find("f: schedule: total_steps: expected a number >= 1") == 0);
  CHECK(optimizer({{"schedule", {{"total_steps", 18446744073709551615U}}}})
            .find("f: schedule: total_steps: expected a whole number") == 0);
  CHECK(optimizer({{"schedule", {{"cycles", 2}}}}) ==
        "f: schedule: expected known options, got \"cycles\"");
}

TEST_CASE("an enumerator without a name cannot be written", "[io][config_json]") {
  GroupConfig group;
  group.clip_norm = static_cast<lorapro::ClipNorm>(77);
  CHECK(message_of<lorapro::ConfigError>([&] { io::json_of_group(group); }) ==
        "expected a named enumerator, got number 77");
}

}  // namespace

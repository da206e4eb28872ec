// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/runtime_rule.hpp>

#include <lorapro/optim/rules.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;

TEST_CASE("a rule at run time makes slots of that rule", "[runtime_rule]") {
  PairBuffers<float> pair(6, 5, 2, 1.0, 1);
  std::vector<float> value(3, 1.0F), grad(3, 1.0F);
  const lorapro::DenseView<float> dense{value.data(), grad.data(), 3};
  for (const std::string& name : lorapro::rule_names()) {
    CAPTURE(name);
    const lorapro::RuntimeRule<float>& rule = lorapro::runtime_rule<float>(name);
    CHECK(rule.name == name);
    const auto pair_slot = rule.pair_slot(lorapro::detail::given(pair.view()), "a pair");
    CHECK(pair_slot->rule() == name);
    CHECK(pair_slot->name == "a pair");
    const auto dense_slot = rule.dense_slot(lorapro::detail::given(dense), "a bias");
    CHECK(dense_slot->rule() == name);
    CHECK(dense_slot->name == "a bias");
    CHECK(rule.stepper(1) != nullptr);
  }
}

/// AdamW with defaults of its own.
struct OwnDefaults : lorapro::AdamWRule {
  static constexpr const char* kName = "own_defaults";
  static constexpr double kBeta1 = 0.75;
  static constexpr double kMaxRelativeMove = 0.25;
};

TEST_CASE("a type is one rule at run time, with the type's defaults", "[runtime_rule]") {
  const auto& rule = lorapro::runtime_rule<double, OwnDefaults>();
  CHECK(&rule == &lorapro::runtime_rule<double, OwnDefaults>());
  CHECK(std::string(rule.name) == "own_defaults");
  lorapro::OptimizerConfig config;
  CHECK(*rule.resolved(config).beta1 == 0.75);
  CHECK(*rule.resolved(config).max_relative_move == 0.25);
  config.beta1 = 0.5;
  config.max_relative_move = 0.125;
  CHECK(*rule.resolved(config).beta1 == 0.5);
  CHECK(*rule.resolved(config).max_relative_move == 0.125);
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/muon_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::MuonRule;
using lorapro::OptimizerConfig;

TEST_CASE("Muon follows its reference on factors", "[muon_rule]") {
  OptimizerConfig config;
  config.beta1 = 0.95;
  config.group.lr = 0.05;
  config.group.weight_decay = 0.5;
  config.eps = 1e-2;
  for (const Case& c : ragged_cases()) {
    follow_reference<MuonRule, float>(Kind::muon, c, config, 3);
    follow_reference<MuonRule, double>(Kind::muon, c, config, 3);
  }
  follow_reference<MuonRule, double>(Kind::muon, {20, 12, 4, 2.0, 0.0}, config, 4);
}

TEST_CASE("Muon clips before the momentum", "[muon_rule]") {
  OptimizerConfig config;
  config.group.lr = 0.1;
  config.group.clip_norm = lorapro::ClipNorm::adapter;
  config.group.max_grad_norm = 0.5;
  follow_reference<MuonRule, double>(Kind::muon, {12, 20, 4, 0.5}, config, 3);
}

TEST_CASE("Muon passes the battery", "[muon_rule]") {
  OptimizerConfig config;
  config.group.lr = 0.1;
  run<MuonRule, float>(config, 150, 0.1, true);
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/lora_pro_adapter_rule.hpp>
#include <lorapro/optim/lora_pro_factored_rule.hpp>
#include <lorapro/optim/lora_pro_full_rule.hpp>
#include <lorapro/optim/lora_pro_sgd_rule.hpp>
#include <lorapro/optim/lora_pro_spectral_rule.hpp>
#include <lorapro/optim/muon_rule.hpp>
#include <lorapro/optim/optimizer.hpp>
#include <lorapro/optim/sgd_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::LoraPro;
using lorapro::OptimizerConfig;

/// lora_B learns, and decays, sixteen times as fast as lora_A.
OptimizerConfig loraplus() {
  OptimizerConfig config;
  config.group.lr = 1e-3;
  config.group.loraplus_lr_ratio = 16;
  config.group.weight_decay = 0.5;
  return config;
}

TEST_CASE("every rule takes a step of B by B's own rate", "[optimizer][loraplus]") {
  const Case c{9, 13, 3, 2.0};
  follow_reference<lorapro::SgdRule, double>(Kind::sgd, c, loraplus(), 3);
  follow_reference<lorapro::AdamWRule, double>(Kind::adamw, c, loraplus(), 3);
  follow_reference<lorapro::MuonRule, double>(Kind::muon, c, loraplus(), 3);
  follow_reference<LoraPro<lorapro::NoMoments>, double>(Kind::lora_pro_sgd, c, loraplus(), 3);
  follow_reference<LoraPro<lorapro::AdapterMoments>, double>(Kind::lora_pro_adapter, c, loraplus(),
                                                             3);
  follow_reference<LoraPro<lorapro::FullMoments<double>>, double>(Kind::lora_pro_full, c,
                                                                  loraplus(), 3);
  follow_reference<LoraPro<lorapro::FactoredMoments>, double>(Kind::lora_pro_factored, c,
                                                              loraplus(), 3);
  follow_reference<LoraPro<lorapro::SpectralMoments>, double>(Kind::lora_pro_spectral, c,
                                                              loraplus(), 3);
}

TEST_CASE("merged decay and dense parameters do not see the ratio", "[optimizer][loraplus]") {
  auto config = loraplus();
  config.group.lr = 0.5;
  config.group.decay_target = lorapro::DecayTarget::merged;
  PairBuffers<double> pair(6, 5, 2, 2.0, 1);
  const RowMatrix<double> start = rounded<double>(random_matrix(6, 5, 9));
  RowMatrix<double> W0 = start;
  auto view = pair.view();
  view.base_weight = W0.data();
  double w[3] = {8, 8, 8}, g[3] = {1, 1, 1};
  lorapro::Optimizer<double, lorapro::SgdRule> optimizer(config);
  optimizer.attach(view);
  auto plain = config.group;
  plain.decay_target = lorapro::DecayTarget::adapter;
  optimizer.attach(lorapro::DenseView<double>{w, g, 3}, optimizer.add_group(plain));
  const RealMatrix W = real<double>(W0) + pair.delta_W();
  // A step of this rate would decay B by 1 - 16/4 if the ratio counted.
  CHECK_THROWS_AS(optimizer.step(), lorapro::ConfigError);
  config.group.weight_decay = plain.weight_decay = 0.0625;
  optimizer.set_group(config.group);
  optimizer.set_group(plain, lorapro::GroupId{1});
  REQUIRE(optimizer.step().updated == 2);
  CHECK(max_abs(real<double>(W0) + pair.delta_W() - Real(0.96875) * W) < 1e-14);
  for (const double value : w) CHECK(value == 0.96875 * 8 - 0.5);
}

}  // namespace

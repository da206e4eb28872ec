// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/adamw_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::AdamWRule;
using lorapro::OptimizerConfig;

TEST_CASE("AdamWRule without memory steps by the sign, in integers", "[adamw_rule]") {
  OptimizerConfig config;
  config.group.lr = 1;
  config.beta1 = config.beta2 = 0;
  config.eps = 1e-30;
  PairBuffers<double> pair(6, 300, 3, 0.5, 2);
  pair.A.setConstant(4);
  pair.B.setConstant(9);
  for (Index i = 0; i < pair.grad_A.size(); ++i)
    pair.grad_A.data()[i] = static_cast<double>(i % 5 - 2);
  for (Index i = 0; i < pair.grad_B.size(); ++i)
    pair.grad_B.data()[i] = static_cast<double>(i % 3 - 1);
  lorapro::Optimizer<double, AdamWRule> optimizer(config);
  optimizer.attach(pair.view());
  for (int t = 0; t < 3; ++t) REQUIRE(optimizer.step().updated == 1);
  const auto sign = [](double x) { return x > 0 ? 1 : x < 0 ? -1 : 0; };
  for (Index i = 0; i < pair.A.size(); ++i)
    CHECK(pair.A.data()[i] == 4 - 3 * sign(pair.grad_A.data()[i]));
  for (Index i = 0; i < pair.B.size(); ++i)
    CHECK(pair.B.data()[i] == 9 - 3 * sign(pair.grad_B.data()[i]));
}

TEST_CASE("AdamWRule follows its reference", "[adamw_rule]") {
  OptimizerConfig config;
  config.group.lr = 0.05;
  config.group.weight_decay = 0.5;
  config.eps = 1e-3;
  for (const Case& c : ragged_cases()) {
    follow_reference<AdamWRule, float>(Kind::adamw, c, config, 4);
    follow_reference<AdamWRule, double>(Kind::adamw, c, config, 4);
  }
  config.eps = 1e-8;
  config.beta1 = 0.5;
  config.beta2 = 0.8;
  follow_reference<AdamWRule, double>(Kind::adamw, {24, 17, 3, 2.0}, config, 12);
}

TEST_CASE("AdamWRule clips before the moments", "[adamw_rule]") {
  OptimizerConfig config;
  config.eps = 1e-3;
  config.group.clip_norm = lorapro::ClipNorm::adapter;
  config.group.max_grad_norm = 0.1;
  follow_reference<AdamWRule, double>(Kind::adamw, {12, 20, 4, 0.5}, config, 4);
}

TEST_CASE("the first AdamW step has length lr whatever the betas", "[adamw_rule][trap]") {
  // m / (1 - beta1) = g and v / (1 - beta2) = g^2 at t = 1: off by one it would not be.
  for (const double beta2 : {0.9, 0.999}) {
    OptimizerConfig config;
    config.group.lr = 0.125;
    config.beta2 = beta2;
    config.eps = 1e-30;
    PairBuffers<double> pair(6, 7, 2, 1.0, 3);
    pair.grad_A = rounded<double>(random_matrix(2, 7, 5));
    pair.grad_B = rounded<double>(random_matrix(6, 2, 6));
    const PairBuffers<double> before = pair;
    lorapro::Optimizer<double, AdamWRule> optimizer(config);
    optimizer.attach(pair.view());
    REQUIRE(optimizer.step().updated == 1);
    for (Index i = 0; i < pair.A.size(); ++i)
      CHECK(std::abs(pair.A.data()[i] - before.A.data()[i]) == Approx(0.125).epsilon(1e-12));
    for (Index i = 0; i < pair.B.size(); ++i)
      CHECK(std::abs(pair.B.data()[i] - before.B.data()[i]) == Approx(0.125).epsilon(1e-12));
  }
}

TEST_CASE("AdamWRule passes the battery", "[adamw_rule]") {
  OptimizerConfig config;
  config.group.lr = 0.02;
  run<AdamWRule, float>(config, 150, 0.1, true);
}

TEST_CASE("AdamWRule keeps two moments of each factor", "[adamw_rule][trap]") {
  Quadratic<double> problem;
  lorapro::Optimizer<double, AdamWRule> optimizer;
  problem.attach(optimizer);
  CHECK(optimizer.state_bytes() == 2 * 8 * (3 * (24 + 17) + 2 * (9 + 40) + 33));
  std::vector<std::string> names;
  for (const auto& entry : state_of(optimizer)) names.push_back(entry.first);
  CHECK(names == std::vector<std::string>{
                     "dense.exp_avg", "dense.exp_avg_sq", "dense.step", "first.exp_avg_A",
                     "first.exp_avg_B", "first.exp_avg_sq_A", "first.exp_avg_sq_B",
                     "first.free_factor", "first.step", "second.exp_avg_A", "second.exp_avg_B",
                     "second.exp_avg_sq_A", "second.exp_avg_sq_B", "second.free_factor",
                     "second.step", "step"});
}

TEST_CASE("AdamW decay is multiplied by the learning rate and decoupled", "[adamw_rule][trap]") {
  OptimizerConfig config;
  config.group.lr = 0.25;
  config.group.weight_decay = 0.5;
  PairBuffers<double> pair(6, 7, 2, 1.0, 4);
  const PairBuffers<double> before = pair;
  lorapro::Optimizer<double, AdamWRule> optimizer(config);
  optimizer.attach(pair.view());
  REQUIRE(optimizer.step().updated == 1);  // the gradient is zero
  for (Index i = 0; i < pair.A.size(); ++i) CHECK(pair.A.data()[i] == 0.875 * before.A.data()[i]);
  for (Index i = 0; i < pair.B.size(); ++i) CHECK(pair.B.data()[i] == 0.875 * before.B.data()[i]);
}

}  // namespace

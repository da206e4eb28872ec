// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/lora_pro_factored_rule.hpp>

#include <lorapro/optim/lora_pro_full_rule.hpp>

#include "support/tangent_rules.hpp"

namespace {

using namespace rule_battery;
using lorapro::Gauge;
using lorapro::OptimizerConfig;
using ProFactored = lorapro::LoraPro<lorapro::FactoredMoments>;

TEST_CASE("LoraPro factored follows its reference", "[lora_pro_factored_rule][trap]") {
  follow_reference_in_all_gauges<ProFactored>(Kind::lora_pro_factored, {});
}

TEST_CASE("LoraPro factored stays with its reference for fifty steps",
          "[lora_pro_factored_rule][trap]") {
  OptimizerConfig config;
  config.group.lr = 0.02;
  config.gauge = GENERATE(Gauge::sylvester, Gauge::balanced, Gauge::zero);
  config.damping = GENERATE(0.0, 0.1);
  CAPTURE(static_cast<int>(config.gauge), config.damping);
  for (const Case& c : {Case{14, 23, 3, 2.0}, Case{14, 23, 3, 2.0, 0.0}, Case{9, 9, 1, 0.5},
                        Case{9, 9, 1, 0.5, 0.0}, Case{6, 6, 6, 0.5}})
    CHECK(free_run_deviation<ProFactored>(Kind::lora_pro_factored, c, config, 50) < 1e-10);
}

TEST_CASE("LoraPro factored does not see how W is factorised", "[lora_pro_factored_rule]") {
  OptimizerConfig config;
  config.group.lr = 0.02;
  check_invariance<ProFactored>(config);
}

TEST_CASE("LoraPro factored moves its momentum with the factors",
          "[lora_pro_factored_rule][trap]") {
  OptimizerConfig config;
  config.group.lr = 0.1;
  config.group.weight_decay = 0.5;
  check_transport<ProFactored>(Kind::lora_pro_factored, config);
}

TEST_CASE("LoraPro factored averages the energies of rows and columns",
          "[lora_pro_factored_rule]") {
  OptimizerConfig config;
  PairBuffers<double> pair(24, 17, 3, 0.5, 1);
  lorapro::Optimizer<double, ProFactored> optimizer(config);
  optimizer.attach(pair.view(), {}, "layer");
  Reference reference{Kind::lora_pro_factored, config, 0.5, 0x1.0p-52};
  for (std::uint64_t t = 0; t < 3; ++t) {
    pair.backpropagate(random_matrix(24, 17, t));
    reference.update(pair.factors(), pair.gradients());
    REQUIRE(optimizer.step().updated == 1);
  }
  const Snapshot state = state_of(optimizer);
  const auto& expected = reference.energies;
  CHECK(max_abs(tensor_of<double>(state, "layer.exp_avg_sq_row", 24, 1) - expected.row) <
        1e-13 * max_abs(expected.row));
  CHECK(max_abs(tensor_of<double>(state, "layer.exp_avg_sq_col", 1, 17) - expected.col) <
        1e-13 * max_abs(expected.col));
}

TEST_CASE("LoraPro factored steps as with full moments where these have rank one",
          "[lora_pro_factored_rule]") {
  // At full rank and without damping E = G; the squares of this G have rank one in every step.
  OptimizerConfig config;
  config.group.lr = 0.05;
  config.damping = 0;
  config.eps = 1e-30;
  const Index size = 6;
  PairBuffers<double> pair = start_of({size, size, size, 0.5}), full_pair = pair;
  lorapro::Optimizer<double, ProFactored> optimizer(config);
  lorapro::Optimizer<double, lorapro::LoraPro<lorapro::FullMoments<double>>> full(config);
  optimizer.attach(pair.view());
  full.attach(full_pair.view());
  for (std::uint64_t t = 0; t < 4; ++t) {
    CAPTURE(t);
    RealMatrix G = random_matrix(size, size, 70 + t);
    for (Index i = 0; i < size; ++i)
      for (Index j = 0; j < size; ++j) G(i, j) = (G(i, j) > 0 ? 1 : -1) * Real(1 + i) * Real(9 - j);
    pair.backpropagate(G);
    full_pair.backpropagate(G);
    REQUIRE(optimizer.step().updated == 1);
    REQUIRE(full.step().updated == 1);
    CHECK(max_abs(pair.factors().A - full_pair.factors().A) < 1e-10);
    CHECK(max_abs(pair.factors().B - full_pair.factors().B) < 1e-10);
  }
}

TEST_CASE("LoraPro factored takes rows and columns without a gradient",
          "[lora_pro_factored_rule][trap]") {
  for (const double eps : {1e-8, 1e-30}) {
    OptimizerConfig config;
    config.eps = eps;
    config.group.lr = 0.1;
    PairBuffers<float> pair(20, 30, 3, 2.0, 1, 0.0);
    lorapro::Optimizer<float, ProFactored> optimizer(config);
    optimizer.attach(pair.view());
    for (std::uint64_t t = 0; t < 30; ++t) {
      RealMatrix G = pair.delta_W() - random_matrix(20, 30, t);
      G.topRows(5).setZero();
      G.rightCols(7).setZero();
      if (t % 10 == 9) G.setZero();
      pair.backpropagate(G);
      REQUIRE(optimizer.step().updated == 1);
    }
    CHECK(max_abs(pair.factors().A) < 10);
    CHECK(max_abs(pair.factors().B) < 10);
    CHECK(max_abs(pair.factors().B.topRows(5)) == 0);
    CHECK(max_abs(pair.factors().B) > 0.02L);
  }
  // No gradient at all from the first step on.
  PairBuffers<float> pair(5, 4, 2, 1.0, 1), before = pair;
  lorapro::Optimizer<float, ProFactored> optimizer;
  optimizer.attach(pair.view());
  for (int t = 0; t < 3; ++t) REQUIRE(optimizer.step().updated == 1);
  CHECK(same_parameters(pair, before));
}

TEST_CASE("LoraPro factored clips before the moments", "[lora_pro_factored_rule]") {
  OptimizerConfig config;
  config.eps = 1e-3;
  config.group.lr = 0.1;
  config.group.max_grad_norm = 0.5;
  for (const auto norm : {lorapro::ClipNorm::equivalent_gradient, lorapro::ClipNorm::adapter}) {
    config.group.clip_norm = norm;
    follow_reference<ProFactored, double>(Kind::lora_pro_factored, {12, 20, 4, 0.5}, config, 3);
  }
}

TEST_CASE("LoraPro factored passes the battery", "[lora_pro_factored_rule]") {
  OptimizerConfig config;
  config.group.lr = 0.2;
  run<ProFactored, float>(config, 150, 0.1, true);
}

TEST_CASE("LoraPro factored keeps one momentum and the energies",
          "[lora_pro_factored_rule][trap]") {
  PairBuffers<double> pair(24, 17, 3, 0.5, 1);
  lorapro::Optimizer<double, ProFactored> optimizer;
  optimizer.attach(pair.view(), {}, "layer");
  CHECK(optimizer.state_bytes() == 8 * (24 + 17) * (3 + 1));
  std::vector<std::string> names;
  for (const auto& entry : state_of(optimizer)) names.push_back(entry.first);
  CHECK(names == std::vector<std::string>{"layer.exp_avg_A", "layer.exp_avg_B",
                                          "layer.exp_avg_sq_col", "layer.exp_avg_sq_row",
                                          "layer.free_factor", "layer.step", "step"});
}

}  // namespace

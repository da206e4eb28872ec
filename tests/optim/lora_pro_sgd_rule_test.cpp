// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/lora_pro_sgd_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::Gauge;
using lorapro::OptimizerConfig;
using ProSgd = lorapro::LoraPro<lorapro::NoMoments>;

TEST_CASE("LoraPro SGD takes dyadic steps exactly", "[lora_pro_sgd_rule]") {
  // A and B with orthogonal rows and columns of norm 2, s = 1/2: P = Q = 4 I and s^2 P = I, so that
  // dA = gA - K A / 8 (Sylvester, K = gA A^T), dB = gB - B K / 8.
  OptimizerConfig config;
  config.group.lr = 1;
  config.damping = 0;
  const Gauge gauge = GENERATE(Gauge::sylvester, Gauge::balanced, Gauge::zero);
  config.gauge = gauge;
  PairBuffers<float> pair(5, 6, 2, 0.5, 1);
  pair.A.setZero();
  pair.B.setZero();
  pair.A(0, 1) = pair.A(1, 4) = 2;
  pair.B(3, 0) = pair.B(0, 1) = -2;
  RealMatrix G(5, 6);
  for (Index i = 0; i < G.size(); ++i) G.data()[i] = 16 * (i % 7) - 48;
  pair.backpropagate(G);
  const Factors f = pair.factors(), g = pair.gradients();
  const RealMatrix K = product(g.A, transposed(f.A));
  // The share of K that the A side gives up: half of it, half of it, none of it.
  const Real share_A = gauge == Gauge::zero ? 0 : Real(1) / 8;
  const Real share_B = Real(1) / 4 - share_A;
  lorapro::Optimizer<float, ProSgd> optimizer(config);
  optimizer.attach(pair.view());
  REQUIRE(optimizer.step().updated == 1);
  CHECK(max_abs(pair.factors().A - (f.A - g.A + share_A * product(K, f.A))) == 0);
  CHECK(max_abs(pair.factors().B - (f.B - g.B + share_B * product(f.B, K))) == 0);
}

TEST_CASE("LoraPro SGD follows its reference", "[lora_pro_sgd_rule][trap]") {
  OptimizerConfig config;
  config.group.lr = 0.1;
  config.group.weight_decay = 0.5;
  for (const double damping : {0.0, 0.1})
    for (const Gauge gauge : {Gauge::sylvester, Gauge::balanced, Gauge::zero}) {
      config.damping = damping;
      config.gauge = gauge;
      for (const Case& c : ragged_cases()) {
        follow_reference<ProSgd, float>(Kind::lora_pro_sgd, c, config, 2);
        follow_reference<ProSgd, double>(Kind::lora_pro_sgd, c, config, 2);
      }
      // From B = 0, where a branch for the first step would have to run.
      follow_reference<ProSgd, double>(Kind::lora_pro_sgd, {20, 12, 4, 2.0, 0.0}, config, 4);
    }
}

TEST_CASE("LoraPro SGD clips by the norm of the equivalent gradient", "[lora_pro_sgd_rule]") {
  OptimizerConfig config;
  config.group.lr = 0.1;
  config.group.max_grad_norm = 0.5;
  for (const auto norm : {lorapro::ClipNorm::equivalent_gradient, lorapro::ClipNorm::adapter})
    for (const Gauge gauge : {Gauge::sylvester, Gauge::balanced, Gauge::zero}) {
      config.group.clip_norm = norm;
      config.gauge = gauge;
      follow_reference<ProSgd, double>(Kind::lora_pro_sgd, {12, 20, 4, 0.5}, config, 2);
      follow_reference<ProSgd, float>(Kind::lora_pro_sgd, {12, 20, 4, 4.0}, config, 2);
    }
}

TEST_CASE("LoraPro SGD reads both factors before it writes one", "[lora_pro_sgd_rule][trap]") {
  // With a large step B's preconditioner of the new A would be another one.
  OptimizerConfig config;
  config.group.lr = 4;
  follow_reference<ProSgd, double>(Kind::lora_pro_sgd, {24, 17, 3, 0.5}, config, 1);
  config.damping = 0;
  follow_reference<ProSgd, double>(Kind::lora_pro_sgd, {24, 17, 3, 0.5}, config, 1);
}

TEST_CASE("the damping of LoraPro is relative", "[lora_pro_sgd_rule][trap]") {
  // The same W from factors c times as large: the step is c times as large.
  constexpr double kScale = 0x1.0p-10;
  PairBuffers<double> one(12, 9, 3, 0.5, 6);
  PairBuffers<double> small = one;
  small.A *= kScale;
  small.B *= kScale;
  small.scaling /= kScale * kScale;
  const RealMatrix G = random_matrix(12, 9, 8);
  one.backpropagate(G);
  small.backpropagate(G);
  const Factors before = one.factors(), small_before = small.factors();
  lorapro::Optimizer<double, ProSgd> first, second;
  first.attach(one.view());
  second.attach(small.view());
  REQUIRE(first.step().updated == 1);
  REQUIRE(second.step().updated == 1);
  const RealMatrix move = one.factors().A - before.A;
  CHECK(max_abs((small.factors().A - small_before.A) / kScale - move) < 1e-12 * max_abs(move));
}

TEST_CASE("LoraPro SGD passes the battery", "[lora_pro_sgd_rule]") {
  OptimizerConfig config;
  config.group.lr = 0.2;
  run<ProSgd, float>(config, 60, 0.1, false);
}

}  // namespace

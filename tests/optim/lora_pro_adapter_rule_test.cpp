// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/lora_pro_adapter_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::Gauge;
using lorapro::OptimizerConfig;
using ProAdapter = lorapro::LoraPro<lorapro::AdapterMoments>;

TEST_CASE("LoraPro with adapter moments without memory steps by the sign",
          "[lora_pro_adapter_rule]") {
  // Norm-2 orthogonal factors and s = 1/2 make the adjusted gradients exact (zero gauge: dA = gA).
  OptimizerConfig config;
  config.group.lr = 1;
  config.damping = 0;
  config.gauge = Gauge::zero;
  config.beta1 = config.beta2 = 0;
  config.eps = 1e-30;
  PairBuffers<double> pair(5, 6, 2, 0.5, 1);
  pair.A.setZero();
  pair.B.setZero();
  pair.A(0, 1) = pair.A(1, 4) = 2;
  pair.B(3, 0) = pair.B(0, 1) = -2;
  RealMatrix G(5, 6);
  for (Index i = 0; i < G.size(); ++i) G.data()[i] = 16 * (i % 7) - 48;
  pair.backpropagate(G);
  const Factors f = pair.factors(), g = pair.gradients();
  const RealMatrix dB = g.B - product(f.B, product(g.A, transposed(f.A))) / 4;
  lorapro::Optimizer<double, ProAdapter> optimizer(config);
  optimizer.attach(pair.view());
  REQUIRE(optimizer.step().updated == 1);
  const auto sign = [](Real x) { return x > 0 ? 1 : x < 0 ? -1 : 0; };
  for (Index i = 0; i < f.A.size(); ++i)
    CHECK(Real(pair.A.data()[i]) == f.A.data()[i] - sign(g.A.data()[i]));
  for (Index i = 0; i < f.B.size(); ++i)
    CHECK(Real(pair.B.data()[i]) == f.B.data()[i] - sign(dB.data()[i]));
}

TEST_CASE("LoraPro with adapter moments follows its reference", "[lora_pro_adapter_rule][trap]") {
  OptimizerConfig config;
  config.group.lr = 0.05;
  config.group.weight_decay = 0.5;
  config.eps = 1e-2;
  for (const double damping : {0.0, 0.1})
    for (const Gauge gauge : {Gauge::sylvester, Gauge::balanced, Gauge::zero}) {
      config.damping = damping;
      config.gauge = gauge;
      for (const Case& c : ragged_cases()) {
        follow_reference<ProAdapter, float>(Kind::lora_pro_adapter, c, config, 3);
        follow_reference<ProAdapter, double>(Kind::lora_pro_adapter, c, config, 3);
      }
      follow_reference<ProAdapter, double>(Kind::lora_pro_adapter, {20, 12, 4, 2.0, 0.0}, config,
                                           4);
    }
}

TEST_CASE("LoraPro with adapter moments clips before the moments", "[lora_pro_adapter_rule]") {
  OptimizerConfig config;
  config.eps = 1e-3;
  config.group.lr = 0.1;
  config.group.max_grad_norm = 0.5;
  for (const auto norm : {lorapro::ClipNorm::equivalent_gradient, lorapro::ClipNorm::adapter}) {
    config.group.clip_norm = norm;
    follow_reference<ProAdapter, double>(Kind::lora_pro_adapter, {12, 20, 4, 0.5}, config, 3);
  }
}

TEST_CASE("LoraPro with adapter moments passes the battery", "[lora_pro_adapter_rule]") {
  OptimizerConfig config;
  config.group.lr = 0.05;
  run<ProAdapter, float>(config, 150, 0.1, true);
}

TEST_CASE("LoraPro with adapter moments keeps two moments of each factor",
          "[lora_pro_adapter_rule][trap]") {
  PairBuffers<double> pair(24, 17, 3, 0.5, 1);
  lorapro::Optimizer<double, ProAdapter> optimizer;
  optimizer.attach(pair.view(), {}, "layer");
  CHECK(optimizer.state_bytes() == 2 * 8 * 3 * (24 + 17));
  std::vector<std::string> names;
  for (const auto& entry : state_of(optimizer)) names.push_back(entry.first);
  CHECK(names == std::vector<std::string>{"layer.exp_avg_A", "layer.exp_avg_B",
                                          "layer.exp_avg_sq_A", "layer.exp_avg_sq_B",
                                          "layer.free_factor", "layer.step", "step"});
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/lora_pro_spectral_rule.hpp>

#include "support/tangent_rules.hpp"

namespace {

using namespace rule_battery;
using lorapro::Gauge;
using lorapro::OptimizerConfig;
using ProSpectral = lorapro::LoraPro<lorapro::SpectralMoments>;

TEST_CASE("LoraPro spectral follows its reference", "[lora_pro_spectral_rule][trap]") {
  follow_reference_in_all_gauges<ProSpectral>(Kind::lora_pro_spectral, OptimizerConfig());
}

TEST_CASE("LoraPro spectral stays with its reference for fifty steps",
          "[lora_pro_spectral_rule][trap]") {
  OptimizerConfig config;
  config.group.lr = 0.02;
  config.gauge = GENERATE(Gauge::sylvester, Gauge::balanced, Gauge::zero);
  config.damping = GENERATE(0.0, 0.1);
  CAPTURE(static_cast<int>(config.gauge), config.damping);
  for (const Case& c : {Case{14, 23, 3, 2.0}, Case{14, 23, 3, 2.0, 0.0}, Case{9, 9, 1, 0.5},
                        Case{9, 9, 1, 0.5, 0.0}, Case{6, 6, 6, 0.5}}) {
    // Damped, the second step after B = 0 has singular values at the cutoff, where squaring has
    // left six digits. Undamped, rounding makes 2e-10 of it in the zero gauge, a tenth in others.
    const double undamped = config.gauge == Gauge::zero ? 1e-9 : 1e-10;
    const double from_zero = config.damping > 0 ? 1e-5 : undamped;
    const double tolerance = c.deviation_B == 0 ? from_zero : 1e-11;
    CHECK(free_run_deviation<ProSpectral>(Kind::lora_pro_spectral, c, config, 50) < tolerance);
  }
}

TEST_CASE("LoraPro spectral does not see how W is factorised", "[lora_pro_spectral_rule]") {
  OptimizerConfig config;
  config.group.lr = 0.02;
  check_invariance<ProSpectral>(config);
}

TEST_CASE("LoraPro spectral moves its momentum with the factors",
          "[lora_pro_spectral_rule][trap]") {
  OptimizerConfig config;
  config.group.lr = 0.1;
  config.group.weight_decay = 0.5;
  check_transport<ProSpectral>(Kind::lora_pro_spectral, config);
}

TEST_CASE("LoraPro spectral at full rank is Muon on W to first order", "[lora_pro_spectral_rule]") {
  // r = m = n, undamped: E = G, and W moves by -lr H and the product of the moves of the factors.
  OptimizerConfig config;
  config.group.lr = 0.01;
  config.damping = 0;
  config.gauge = GENERATE(Gauge::sylvester, Gauge::balanced, Gauge::zero);
  PairBuffers<double> pair = start_of({7, 7, 7, 0.5});
  lorapro::Optimizer<double, ProSpectral> optimizer(config);
  optimizer.attach(pair.view());
  RealMatrix momentum = RealMatrix::Zero(7, 7);
  for (std::uint64_t t = 0; t < 5; ++t) {
    CAPTURE(t);
    const RealMatrix G = random_matrix(7, 7, 40 + t);
    momentum = 0.95L * momentum + 0.05L * G;
    const RealMatrix H = orthogonal_factor(0.95L * momentum + 0.05L * G).H;
    pair.backpropagate(G);
    const Factors before = pair.factors();
    const RealMatrix W = pair.delta_W();
    REQUIRE(optimizer.step().updated == 1);
    const Factors after = pair.factors();
    const RealMatrix second_order = 0.5L * product(after.B - before.B, after.A - before.A);
    CHECK(max_abs(pair.delta_W() - W - second_order + 0.01L * H) < 1e-9);
  }
}

TEST_CASE("LoraPro spectral without a gradient stays where it is", "[lora_pro_spectral_rule]") {
  PairBuffers<float> pair(20, 30, 3, 2.0, 1, 0.0);
  const PairBuffers<float> before = pair;
  lorapro::Optimizer<float, ProSpectral> optimizer;
  optimizer.attach(pair.view());
  for (int t = 0; t < 3; ++t) REQUIRE(optimizer.step().updated == 1);
  CHECK(same_parameters(pair, before));
  // Gradients of any size give steps of one size.
  Real moves[2];
  for (int k = 0; k < 2; ++k) {
    PairBuffers<float> scaled = before;
    lorapro::Optimizer<float, ProSpectral> other;
    other.attach(scaled.view());
    scaled.backpropagate(random_matrix(20, 30, 4), k == 0 ? 1 : 1e-30);
    REQUIRE(other.step().updated == 1);
    moves[k] = max_abs(scaled.factors().B);
  }
  CHECK(moves[0] > 1e-5L);
  CHECK(std::abs(moves[1] / moves[0] - 1) < 1e-4L);
}

TEST_CASE("LoraPro spectral clips before the momentum", "[lora_pro_spectral_rule]") {
  OptimizerConfig config;
  config.eps = 1e-3;
  config.group.lr = 0.1;
  config.group.max_grad_norm = 0.5;
  for (const auto norm : {lorapro::ClipNorm::equivalent_gradient, lorapro::ClipNorm::adapter}) {
    config.group.clip_norm = norm;
    follow_reference<ProSpectral, double>(Kind::lora_pro_spectral, {12, 20, 4, 0.5}, config, 3);
  }
}

TEST_CASE("LoraPro spectral passes the battery", "[lora_pro_spectral_rule]") {
  OptimizerConfig config;
  config.group.lr = 1;
  run<ProSpectral, float>(config, 150, 0.1, true);
}

TEST_CASE("LoraPro spectral has a momentum of 0.95 unless it is told another",
          "[lora_pro_spectral_rule]") {
  OptimizerConfig config;
  CHECK(lorapro::Optimizer<double, ProSpectral>().config().beta1 == 0.95);
  config.beta1 = 0.5;
  CHECK(lorapro::Optimizer<double, ProSpectral>(config).config().beta1 == 0.5);
  follow_reference<ProSpectral, double>(Kind::lora_pro_spectral, {12, 20, 4, 0.5}, config, 3);
}

TEST_CASE("LoraPro spectral keeps one momentum", "[lora_pro_spectral_rule][trap]") {
  PairBuffers<double> pair(24, 17, 3, 0.5, 1);
  lorapro::Optimizer<double, ProSpectral> optimizer;
  optimizer.attach(pair.view(), {}, "layer");
  CHECK(optimizer.state_bytes() == 8 * (24 + 17) * 3);
  std::vector<std::string> names;
  for (const auto& entry : state_of(optimizer)) names.push_back(entry.first);
  CHECK(names == std::vector<std::string>{"layer.exp_avg_A", "layer.exp_avg_B", "layer.free_factor",
                                          "layer.step", "step"});
}

}  // namespace

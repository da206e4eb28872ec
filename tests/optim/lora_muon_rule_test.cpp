// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/lora_muon_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::ImuonRule;
using lorapro::LoraMuonRule;
using lorapro::LoraMuonSplitRule;

TEST_CASE("LoRA-Muon passes the battery", "[lora_muon_rule]") {
  lorapro::OptimizerConfig config;
  config.group.lr = 1;  // half of it moves W
  config.schedule = lorapro::LrSchedule::linear(0, 151);
  run<LoraMuonRule, float>(config, 150, 0.1, true);
}

TEST_CASE("iMuon passes the battery", "[lora_muon_rule]") {
  lorapro::OptimizerConfig config;
  config.group.lr = 0.5;
  config.beta1 = 0.5;  // without momentum the state would not matter
  config.schedule = lorapro::LrSchedule::linear(0, 151);
  run<ImuonRule, float>(config, 150, 0.1, true);
}

/// One step of a fresh optimizer of rate 1: the moves of the factors.
template <typename Rule>
Factors first_step(PairBuffers<double> pair, const RealMatrix& G) {
  pair.backpropagate(G);
  const Factors before = pair.factors();
  lorapro::OptimizerConfig config;
  config.group.lr = 1;
  config.beta1 = 0;
  lorapro::Optimizer<double, Rule> optimizer(config);
  optimizer.attach(pair.view());
  REQUIRE(optimizer.step().updated == 1);
  return {before.A - pair.factors().A, before.B - pair.factors().B};
}

/// Whether all singular values of X that do not vanish, r of them, are this.
void check_singular_values(const RealMatrix& X, Index r, Real value) {
  // X X^T X = value^2 X says it without a decomposition.
  const RealMatrix cube = product(product(X, transposed(X)), X);
  CHECK(max_abs(cube - value * value * X) < 1e-10 * (1 + max_abs(X)));
  CHECK(static_cast<double>(squared_norm(X)) ==
        Approx(static_cast<double>(Real(r) * value * value)));
}

TEST_CASE("a step of LoRA-Muon moves W by equal singular values", "[lora_muon_rule]") {
  for (const double s : {0.5, -2.0}) {
    PairBuffers<double> pair(12, 9, 2, s, 3);
    const RealMatrix G = random_matrix(12, 9, 5);
    const Factors before = pair.factors();
    const Factors muon = first_step<LoraMuonRule>(pair, G), imuon = first_step<ImuonRule>(pair, G);
    check_singular_values(Real(s) * product(before.B, muon.A), 2, 0.5);
    check_singular_values(Real(s) * product(muon.B, before.A), 2, 0.5);
    check_singular_values(Real(s) * product(before.B, imuon.A), 2, std::abs(s));
    check_singular_values(Real(s) * product(imuon.B, before.A), 2, std::abs(s));
    // Downhill, whatever the sign of s.
    RealMatrix along = Real(s) * (product(before.B, muon.A) + product(muon.B, before.A));
    Real descent = 0;
    for (Index i = 0; i < 12; ++i)
      for (Index j = 0; j < 9; ++j) descent += along(i, j) * G(i, j);
    CHECK(descent > 0);
  }
}

TEMPLATE_TEST_CASE("LoRA-Muon does not see how W is factorised", "[lora_muon_rule]", LoraMuonRule,
                   LoraMuonSplitRule, ImuonRule) {
  const auto& rule = lorapro::runtime_rule<double, TestType>();
  for (const double deviation_B : {1.0, 0.0}) {
    const RealMatrix plain = trained_from(rule, {}, 0.1, deviation_B);
    CHECK(max_abs(trained_from(rule, Split::mixed(), 0.1, deviation_B) - plain) <
          1e-11 * max_abs(plain));
  }
}

TEST_CASE("split decay leaves the first-order step of W as it is", "[lora_muon_rule]") {
  PairBuffers<double> pair(12, 9, 2, 2.0, 3);
  const Factors before = pair.factors();
  const RealMatrix G = random_matrix(12, 9, 5);
  const Factors d = first_step<LoraMuonRule>(pair, G);
  pair.backpropagate(G);
  lorapro::OptimizerConfig config;
  config.group.lr = 0.1;
  config.group.weight_decay = 2;
  config.beta1 = 0;
  lorapro::Optimizer<double, LoraMuonSplitRule> optimizer(config);
  optimizer.attach(pair.view());
  REQUIRE(optimizer.step().updated == 1);
  const Real keep = 0.8, lr = 0.1;
  const RealMatrix expected = Real(2) * (keep * product(before.B, before.A) -
                                         lr * (product(before.B, d.A) + product(d.B, before.A)) +
                                         lr * lr / keep * product(d.B, d.A));
  CHECK(max_abs(pair.delta_W() - expected) < 1e-13);
}

TEST_CASE("[trap] LoRA-Muon from B = 0, or from a B that has lost rank", "[lora_muon_rule][trap]") {
  PairBuffers<float> pair(12, 9, 2, 0.5, 3, 0.0);
  const PairBuffers<float> before = pair;
  lorapro::Optimizer<float, LoraMuonRule> optimizer;
  optimizer.attach(pair.view());
  pair.backpropagate(random_matrix(12, 9, 5));
  CHECK(optimizer.step().rank_deficient == 1);
  CHECK(same_bits(pair.A, before.A));
  CHECK_FALSE(same_bits(pair.B, before.B));
  // Noise in place of what is lost would move A by 1 / noise.
  PairBuffers<float> deficient(12, 9, 2, 0.5, 3);
  deficient.B.col(1) = 3 * deficient.B.col(0);
  deficient.backpropagate(random_matrix(12, 9, 5));
  const Factors start = deficient.factors();
  lorapro::Optimizer<float, LoraMuonRule> other;
  other.attach(deficient.view());
  CHECK(other.step().rank_deficient == 1);
  CHECK(max_abs(deficient.factors().A - start.A) < 1e-2);
}

}  // namespace

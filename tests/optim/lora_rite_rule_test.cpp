// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/lora_rite_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::LoraRiteRule;

TEST_CASE("LoRA-RITE passes the battery", "[lora_rite_rule]") {
  lorapro::OptimizerConfig config;
  config.group.lr = 0.1;
  config.eps = 1e-6;
  config.schedule = lorapro::LrSchedule::linear(0, 151);
  run<LoraRiteRule, float>(config, 150, 0.1, true);
}

struct RiteTrained {
  RealMatrix W;
  double norm = 0;  ///< of the last gradient, as clipping measured it
};

/// Some steps from (B T, T^-1 A), clipped.
RiteTrained rite_trained(const RealMatrix& T, const RealMatrix& inverse, double deviation_B) {
  PairBuffers<double> pair(12, 9, 2, 0.5, 3, deviation_B);
  pair.A = rounded<double>(product(inverse, pair.factors().A));
  pair.B = rounded<double>(product(pair.factors().B, T));
  lorapro::OptimizerConfig config;
  config.group.lr = 0.05;
  config.group.weight_decay = 0.1;
  config.group.clip_norm = lorapro::ClipNorm::equivalent_gradient;
  config.group.max_grad_norm = 1;
  lorapro::Optimizer<double, LoraRiteRule> optimizer(config);
  optimizer.attach(pair.view());
  RiteTrained result;
  for (std::uint64_t t = 0; t < 10; ++t) {
    pair.backpropagate(random_matrix(12, 9, 40 + t));
    const auto report = optimizer.step();
    REQUIRE(report.updated == 1);
    result.norm = report.grad_norm;
    CHECK(report.clip_factor == Approx(std::min(1.0, 1 / report.grad_norm)));
  }
  result.W = pair.delta_W();
  return result;
}

TEST_CASE("LoRA-RITE does not see how W is factorised", "[lora_rite_rule]") {
  RealMatrix T(2, 2), inverse(2, 2);
  T << 2, 1, 1, 1;
  inverse << 1, -1, -1, 2;
  const RealMatrix identity = RealMatrix::Identity(2, 2);
  for (const double deviation_B : {1.0, 0.0}) {
    const RiteTrained plain = rite_trained(identity, identity, deviation_B),
                      turned = rite_trained(T, inverse, deviation_B);
    CHECK(max_abs(turned.W - plain.W) < 1e-11 * max_abs(plain.W));
    CHECK(turned.norm == Approx(plain.norm).epsilon(1e-11));
  }
}

TEST_CASE("the first step of LoRA-RITE moves W by equal singular values", "[lora_rite_rule]") {
  PairBuffers<double> pair(12, 9, 2, 0.5, 3);
  pair.backpropagate(random_matrix(12, 9, 5));
  const Factors before = pair.factors();
  lorapro::OptimizerConfig config;
  config.group.lr = 1;
  config.eps = 1e-30;
  lorapro::Optimizer<double, LoraRiteRule> optimizer(config);
  optimizer.attach(pair.view());
  REQUIRE(optimizer.step().updated == 1);
  // V = g g^T / n: V^-1/2 g is orthogonal times sqrt(n), and B dA has its singular values.
  const RealMatrix move = product(before.B, before.A - pair.factors().A);
  const RealMatrix cube = product(product(move, transposed(move)), move);
  CHECK(max_abs(cube - Real(9) * move) < 1e-10);
  CHECK(static_cast<double>(squared_norm(move)) == Approx(18));
}

TEST_CASE("[trap] LoRA-RITE from B = 0, from a B that has lost rank, with few columns",
          "[lora_rite_rule][trap]") {
  const auto steps = [](PairBuffers<float>& pair, int count) {
    lorapro::Optimizer<float, LoraRiteRule> optimizer;
    optimizer.attach(pair.view());
    for (int t = 0; t < count; ++t) {
      pair.backpropagate(random_matrix(pair.B.rows(), pair.A.cols(), 5 + std::uint64_t(t)));
      REQUIRE(optimizer.step().updated == 1);
    }
  };
  PairBuffers<float> zero(12, 9, 2, 0.5, 3, 0.0), before = zero;
  steps(zero, 1);
  CHECK(same_bits(zero.A, before.A));
  CHECK_FALSE(same_bits(zero.B, before.B));
  PairBuffers<float> deficient(12, 9, 2, 0.5, 3);
  deficient.B.col(1) = 3 * deficient.B.col(0);
  before = deficient;
  steps(deficient, 1);
  CHECK(max_abs(deficient.factors().A - before.factors().A) < 1e-2);
  // The gradients have less than their rank: rounding noise is not to be divided by its own size.
  PairBuffers<float> narrow(12, 2, 5, 0.5, 3);
  before = narrow;
  steps(narrow, 3);
  CHECK(max_abs(narrow.factors().A - before.factors().A) < 0.1);
  CHECK(max_abs(narrow.factors().B - before.factors().B) < 0.1);
}

}  // namespace

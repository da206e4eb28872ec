// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/loft_rule.hpp>

#include "support/message_of.hpp"
#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::LoftRule;

TEST_CASE("LoFT passes the battery", "[loft_rule]") {
  lorapro::OptimizerConfig config;
  config.group.lr = 0.1;
  run_one_sided<LoftRule, float>(config, 150, 0.1, true);
}

TEST_CASE("LoFT moves one factor at a time, B first", "[loft_rule]") {
  PairBuffers<float> pair(12, 9, 2, 0.5, 3);
  lorapro::OptimizerConfig config;
  config.group.weight_decay = 0.1;
  lorapro::Optimizer<float, LoftRule> optimizer(config);
  optimizer.attach(pair.view());
  for (std::uint64_t t = 1; t <= 4; ++t) {
    const PairBuffers<float> before = pair;
    pair.backpropagate(random_matrix(12, 9, t));
    CHECK(optimizer.step().updated == 1);
    CHECK(same_bits(pair.A, before.A) == (t % 2 == 1));
    CHECK(same_bits(pair.B, before.B) == (t % 2 == 0));
  }
}

/// s B A after some steps from (B T, T^-1 A) at scaling 1 / 2, or k times it.
RealMatrix loft_trained(const RealMatrix& T, const RealMatrix& inverse, double deviation_B,
                        double k = 1) {
  PairBuffers<double> pair(12, 9, 2, 0.5 * k, 3, deviation_B);
  pair.A = rounded<double>(product(inverse, pair.factors().A));
  pair.B = rounded<double>(product(pair.factors().B, T) / Real(k));
  lorapro::OptimizerConfig config;
  config.group.lr = 0.05;
  config.group.weight_decay = 0.1;
  lorapro::Optimizer<double, LoftRule> optimizer(config);
  optimizer.attach(pair.view());
  for (std::uint64_t t = 0; t < 10; ++t) {
    pair.backpropagate(random_matrix(12, 9, 40 + t));
    REQUIRE(optimizer.step().updated == 1);
  }
  return pair.delta_W();
}

TEST_CASE("LoFT sees neither s nor how W is factorised", "[loft_rule]") {
  RealMatrix T(2, 2), inverse(2, 2);
  T << 2, 1, 1, 1;
  inverse << 1, -1, -1, 2;
  const RealMatrix identity = RealMatrix::Identity(2, 2);
  for (const double deviation_B : {1.0, 0.0}) {
    const RealMatrix plain = loft_trained(identity, identity, deviation_B);
    CHECK(max_abs(loft_trained(T, inverse, deviation_B) - plain) < 1e-9 * max_abs(plain));
    CHECK(max_abs(loft_trained(identity, identity, deviation_B, 4) - plain) <
          1e-9 * max_abs(plain));
  }
}

TEST_CASE("LoFT at full rank is AdamW on W", "[loft_rule]") {
  PairBuffers<double> pair(4, 4, 4, 0.5, 3);
  pair.A.diagonal().array() += 4;
  pair.B.diagonal().array() += 4;
  RowMatrix<double> W = rounded<double>(pair.delta_W()), G = W;
  lorapro::OptimizerConfig config;
  config.group.lr = 0.01;
  lorapro::Optimizer<double, LoftRule> loft(config);
  lorapro::Optimizer<double, lorapro::AdamWRule> dense(config);
  loft.attach(pair.view());
  dense.attach(lorapro::DenseView<double>{W.data(), G.data(), W.size()});
  for (std::uint64_t t = 0; t < 8; ++t) {
    const RealMatrix gradient = random_matrix(4, 4, 40 + t);
    pair.backpropagate(gradient);
    round_into(gradient, G);
    REQUIRE(loft.step().updated == 1);
    REQUIRE(dense.step().updated == 1);
    CHECK(max_abs(pair.delta_W() - real<double>(W)) < 1e-9);
  }
}

TEST_CASE("LoFT refuses large ranks", "[loft_rule]") {
  lorapro::Optimizer<float, LoftRule> optimizer;
  PairBuffers<float> large(6, 5, 33, 1.0, 3), largest(6, 5, 32, 1.0, 3);
  CHECK(message_of<lorapro::ConfigError>([&] { optimizer.attach(large.view()); }) ==
        "pair.0: rank: expected at most 32 for loft, got 33");
  optimizer.attach(largest.view());
  CHECK(optimizer.step().updated == 1);
}

TEST_CASE("[trap] LoFT from B = 0, and from a B that has lost rank", "[loft_rule][trap]") {
  for (const bool zero : {true, false}) {
    PairBuffers<float> pair(12, 9, 2, 0.5, 3, zero ? 0.0 : 1.0);
    if (!zero) pair.B.col(1) = 3 * pair.B.col(0);
    lorapro::Optimizer<float, LoftRule> optimizer;
    optimizer.attach(pair.view());
    for (std::uint64_t t = 0; t < 6; ++t) {
      const RealMatrix before = pair.delta_W();
      pair.backpropagate(random_matrix(12, 9, 5 + t));
      const auto report = optimizer.step();
      REQUIRE(report.updated == 1);
      CHECK(report.rank_deficient == (t == 0 ? 1 : 0));
      // A moves far, since B hardly has its rank; W does not.
      CHECK(max_abs(pair.delta_W() - before) < 5e-3);
    }
  }
}

}  // namespace

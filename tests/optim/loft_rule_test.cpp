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
  check_alternation(lorapro::runtime_rule<float, LoftRule>(), lorapro::Side::B);
}

TEST_CASE("LoFT sees neither s nor how W is factorised", "[loft_rule]") {
  const auto& rule = lorapro::runtime_rule<double, LoftRule>();
  Split scaled;
  scaled.k = 4;
  for (const double deviation_B : {1.0, 0.0}) {
    const RealMatrix plain = trained_from(rule, {}, 0.1, deviation_B);
    for (const Split& split : {Split::mixed(), scaled})
      CHECK(max_abs(trained_from(rule, split, 0.1, deviation_B) - plain) < 1e-9 * max_abs(plain));
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

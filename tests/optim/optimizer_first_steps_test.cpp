// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/lora_pro_adapter_rule.hpp>
#include <lorapro/optim/lora_pro_factored_rule.hpp>
#include <lorapro/optim/lora_pro_full_rule.hpp>
#include <lorapro/optim/lora_pro_sgd_rule.hpp>
#include <lorapro/optim/lora_pro_spectral_rule.hpp>
#include <lorapro/optim/optimizer.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::Gauge;
using lorapro::OptimizerConfig;

Kind kind_of(lorapro::LoraPro<lorapro::NoMoments>) { return Kind::lora_pro_sgd; }
Kind kind_of(lorapro::LoraPro<lorapro::FullMoments<double>>) { return Kind::lora_pro_full; }
Kind kind_of(lorapro::LoraPro<lorapro::FactoredMoments>) { return Kind::lora_pro_factored; }
Kind kind_of(lorapro::LoraPro<lorapro::SpectralMoments>) { return Kind::lora_pro_spectral; }

struct Moves {
  double first;   ///< ||A_1 - A_0|| / ||A_0||
  double second;  ///< ||A_2 - A_1|| / ||A_0||
};

/// Two steps from B = 0 with the same G, as near the start of training.
template <typename Rule>
Moves moves_of_A(double lr, double damping, Gauge gauge) {
  OptimizerConfig config;
  config.group.lr = lr;
  config.damping = damping;
  config.gauge = gauge;
  PairBuffers<double> pair(40, 30, 4, 2.0, 1, 0.0);
  lorapro::Optimizer<double, Rule> optimizer(config);
  optimizer.attach(pair.view());
  const RealMatrix G = random_matrix(40, 30, 2), start = pair.factors().A;
  Moves moves{};
  RealMatrix before = start;
  for (double* const move : {&moves.first, &moves.second}) {
    pair.backpropagate(G);
    REQUIRE(optimizer.step().updated == 1);
    *move = static_cast<double>(
        std::sqrt(squared_norm(pair.factors().A - before) / squared_norm(start)));
    before = pair.factors().A;
  }
  return moves;
}

TEMPLATE_TEST_CASE("after B = 0 the move of A is bounded if damped", "[optimizer][trap]",
                   lorapro::LoraPro<lorapro::NoMoments>,
                   lorapro::LoraPro<lorapro::FullMoments<double>>,
                   lorapro::LoraPro<lorapro::FactoredMoments>,
                   lorapro::LoraPro<lorapro::SpectralMoments>) {
  const double kappa = *lorapro::Optimizer<double, TestType>().config().max_relative_move;
  for (const Gauge gauge : {Gauge::sylvester, Gauge::balanced, Gauge::zero}) {
    CAPTURE(static_cast<int>(gauge));
    for (const double lr : {1e-2, 1e-3, 1e-4}) {
      CAPTURE(lr);
      const Moves damped = moves_of_A<TestType>(lr, 0.1, gauge);
      const Moves exact = moves_of_A<TestType>(lr, 0, gauge);
      CHECK(damped.first < 1e-12);  // dA = 0 while B = 0
      CHECK(exact.first < 1e-12);
      // One step in 1 / (2 kappa) of those after which A is free.
      CHECK(damped.second < 5 * kappa * kappa);
      CHECK(damped.second > 0.1 * kappa * kappa);
      CHECK(exact.second > 0.05);
    }
  }
}

TEST_CASE("adapter moments move A by the rate after B = 0", "[optimizer]") {
  using Rule = lorapro::LoraPro<lorapro::AdapterMoments>;
  for (const Gauge gauge : {Gauge::sylvester, Gauge::balanced, Gauge::zero}) {
    CHECK(moves_of_A<Rule>(1e-3, 0.1, gauge).first < 1e-12);
    const double move = moves_of_A<Rule>(1e-3, 0.1, gauge).second;
    CHECK(move < 1e-3);
    CHECK(move > 1e-5);
  }
}

TEMPLATE_TEST_CASE("the first step from B = 0 is the one of B alone", "[optimizer][trap]",
                   lorapro::LoraPro<lorapro::NoMoments>,
                   lorapro::LoraPro<lorapro::FullMoments<double>>,
                   lorapro::LoraPro<lorapro::FactoredMoments>,
                   lorapro::LoraPro<lorapro::SpectralMoments>) {
  // dB = gB (s^2 Q + lambda)^-1 for every gauge, and no division by the zero of B^T B.
  for (const double damping : {0.0, 0.1})
    for (const Gauge gauge : {Gauge::sylvester, Gauge::balanced, Gauge::zero}) {
      OptimizerConfig config;
      config.group.lr = 0.01;
      config.damping = damping;
      config.gauge = gauge;
      PairBuffers<double> pair(12, 20, 3, 2.0, 1, 0.0);
      lorapro::Optimizer<double, TestType> optimizer(config);
      const auto id = optimizer.attach(pair.view());
      pair.backpropagate(random_matrix(12, 20, 4));
      Reference reference{kind_of(TestType{}), config, 2.0, 0x1.0p-52};
      const Factors expected = reference.update(pair.factors(), pair.gradients());
      const auto report = optimizer.step();
      CHECK(report.updated == 1);
      CHECK(report.rank_deficient == 1);
      CHECK(optimizer.report(id).rank_B == 0);
      CHECK(max_abs(pair.factors().B - expected.B) < 1e-12);
      CHECK(max_abs(pair.factors().A - expected.A) < 1e-15);
      CHECK(max_abs(pair.factors().B) > 1e-4);
    }
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What the tests of the rules with a tangent momentum share.

#include "support/rule_battery.hpp"

namespace rule_battery {

/// 1/2 ||s B A - target||^2 from random factors, with 3 I added to square ones for their condition.
inline PairBuffers<double> start_of(const Case& c) {
  PairBuffers<double> pair(c.out_features, c.in_features, c.rank, c.scaling, 7, c.deviation_B);
  if (c.rank == c.in_features) pair.A.diagonal().array() += 3;
  if (c.rank == c.out_features) pair.B.diagonal().array() += 3;
  return pair;
}

/// Every step against the reference, from its own state: shapes with ragged ends, all gauges,
/// damped or not, from B = 0 and from random factors.
template <typename Rule>
void follow_reference_in_all_gauges(Kind kind, lorapro::OptimizerConfig config) {
  using lorapro::Gauge;
  config.group.lr = 0.05;
  config.group.weight_decay = 0.5;
  config.eps = 1e-2;
  for (const double damping : {0.0, 0.1})
    for (const Gauge gauge : {Gauge::sylvester, Gauge::balanced, Gauge::zero}) {
      config.damping = damping;
      config.gauge = gauge;
      for (const Case& c : ragged_cases()) {
        follow_reference<Rule, float>(kind, c, config, 3);
        follow_reference<Rule, double>(kind, c, config, 3);
      }
      follow_reference<Rule, double>(kind, {20, 12, 4, 2.0, 0.0}, config, 4);
    }
}

/// Runs the rule and its reference freely, so that what one step gets wrong is in all later ones.
/// \return the largest deviation of s B A at the end, relative to its largest element.
template <typename Rule>
double free_run_deviation(Kind kind, const Case& c, const lorapro::OptimizerConfig& config,
                          int steps) {
  PairBuffers<double> pair = start_of(c);
  lorapro::Optimizer<double, Rule> optimizer(config);
  optimizer.attach(pair.view());
  Reference reference{kind, config, c.scaling, 0x1.0p-52};
  Factors f = pair.factors();
  const Real s = c.scaling;
  const RealMatrix target = random_matrix(c.out_features, c.in_features, 5);
  for (int t = 1; t <= steps; ++t) {
    pair.backpropagate(pair.delta_W() - target);
    const RealMatrix G = s * product(f.B, f.A) - target;
    f = reference.update(f, {s * product(transposed(f.B), G), s * product(G, transposed(f.A))});
    REQUIRE(optimizer.step().updated == 1);
  }
  return static_cast<double>(max_abs(s * product(f.B, f.A) - pair.delta_W()) /
                             max_abs(pair.delta_W()));
}

inline RealMatrix inverse_of(const RealMatrix& M) {
  return rounded<double>(M).inverse().eval().template cast<Real>();
}

/// Ten steps from (B, A) and from (B R, R^-1 A). \return how far s B A ends apart, relatively.
template <typename Rule>
double change_under(const RealMatrix& R, const lorapro::OptimizerConfig& config) {
  const Index m = 14, n = 11, r = R.rows();
  PairBuffers<double> plain(m, n, r, 0.5, 3), turned = plain;
  round_into(product(plain.factors().B, R), turned.B);
  round_into(product(inverse_of(R), plain.factors().A), turned.A);
  lorapro::Optimizer<double, Rule> first(config), second(config);
  first.attach(plain.view());
  second.attach(turned.view());
  for (int t = 0; t < 10; ++t) {
    const RealMatrix noise = random_matrix(m, n, 100 + static_cast<std::uint64_t>(t));
    plain.backpropagate(plain.delta_W() + noise);
    turned.backpropagate(turned.delta_W() + noise);
    REQUIRE(first.step().updated == 1);
    REQUIRE(second.step().updated == 1);
  }
  return static_cast<double>(max_abs(plain.delta_W() - turned.delta_W()) /
                             max_abs(plain.delta_W()));
}

/// Undamped, the zero and the balanced gauge do not see how W is factorised; the Sylvester gauge
/// and damping see it up to orthogonal changes.
template <typename Rule>
void check_invariance(lorapro::OptimizerConfig config) {
  using lorapro::Gauge;
  RealMatrix general(3, 3), orthogonal(3, 3);
  general << 2, 1, 0, -1, 1, 0.5, 0.25, 0, 0.5;
  orthogonal << 2, -1, 2, 2, 2, -1, -1, 2, 2;
  orthogonal /= 3;
  for (const Gauge gauge : {Gauge::sylvester, Gauge::balanced, Gauge::zero})
    for (const double damping : {0.0, 0.1}) {
      CAPTURE(static_cast<int>(gauge), damping);
      config.gauge = gauge;
      config.damping = damping;
      CHECK(change_under<Rule>(orthogonal, config) < 1e-10);
      const double change = change_under<Rule>(general, config);
      if (damping == 0 && gauge != Gauge::sylvester) {
        CHECK(change < 1e-10);
      } else {
        CHECK(change > 1e-6);
      }
    }
}

/// The state after a step is what the new factors see of the reference's momentum.
template <typename Rule>
void check_transport(Kind kind, const lorapro::OptimizerConfig& config) {
  const Index m = 14, n = 11, r = 3;
  PairBuffers<double> pair(m, n, r, 2.0, 8);
  lorapro::Optimizer<double, Rule> optimizer(config);
  optimizer.attach(pair.view(), {}, "layer");
  Reference reference{kind, config, 2.0, 0x1.0p-52};
  for (int t = 1; t <= 5; ++t) {
    CAPTURE(t);
    pair.backpropagate(random_matrix(m, n, 300 + static_cast<std::uint64_t>(t)));
    reference.update(pair.factors(), pair.gradients());
    REQUIRE(optimizer.step().updated == 1);
    const Factors f = pair.factors();
    const Snapshot state = state_of(optimizer);
    CHECK(max_abs(tensor_of<double>(state, "layer.exp_avg_A", r, n) -
                  product(transposed(f.B), reference.momentum)) < 1e-11);
    CHECK(max_abs(tensor_of<double>(state, "layer.exp_avg_B", m, r) -
                  product(reference.momentum, transposed(f.A))) < 1e-11);
  }
}

}  // namespace rule_battery

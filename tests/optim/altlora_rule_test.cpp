// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/altlora_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::AltLoraPlusRule;
using lorapro::AltLoraRule;
using lorapro::PerSide;

TEST_CASE("AltLoRA passes the battery", "[altlora_rule]") {
  lorapro::OptimizerConfig config;
  config.group.lr = 0.3;
  run_one_sided<AltLoraRule, float>(config, 150, 0.1, true);
}

TEST_CASE("AltLoRA+ passes the battery", "[altlora_rule]") {
  lorapro::OptimizerConfig config;
  config.group.lr = 0.03;
  run_one_sided<AltLoraPlusRule, float>(config, 200, 0.1, true);
}

TEST_CASE("AltLoRA moves one factor at a time, A first", "[altlora_rule]") {
  check_alternation(lorapro::runtime_rule<float, AltLoraRule>(), lorapro::Side::A);
  check_alternation(lorapro::runtime_rule<float, AltLoraPlusRule>(), lorapro::Side::A);
}

TEST_CASE("AltLoRA sees neither s nor the scale of the factors, undamped not how W is factorised",
          "[altlora_rule]") {
  const auto& rule = lorapro::runtime_rule<double, AltLoraRule>();
  const auto& plus_rule = lorapro::runtime_rule<double, AltLoraPlusRule>();
  Split scaled;
  scaled.k = 4;
  for (const double deviation_B : {1.0, 0.0}) {
    const RealMatrix plain = trained_from(rule, {}, 0, deviation_B);
    for (const Split& split : {Split::mixed(), scaled})
      CHECK(max_abs(trained_from(rule, split, 0, deviation_B) - plain) < 1e-11 * max_abs(plain));
  }
  const RealMatrix damped = trained_from(rule, {}, 0.1);
  CHECK(max_abs(trained_from(rule, Split::mixed(), 0.1) - damped) > 1e-4);
  CHECK(max_abs(trained_from(rule, Split::turned(0.6, 0.8), 0.1) - damped) < 1e-12);
  for (const double deviation_B : {1.0, 0.0}) {
    const RealMatrix usual = trained_from(rule, {}, 0.1, deviation_B);
    Split stretched = scaled;
    stretched.T *= 7;
    stretched.inverse /= 7;
    CHECK(max_abs(trained_from(rule, stretched, 0.1, deviation_B) - usual) <
          1e-12 * max_abs(usual));
  }
  const RealMatrix plus = trained_from(plus_rule, {}, 0.1);
  CHECK(max_abs(trained_from(plus_rule, Split::turned(0, -1), 0.1) - plus) < 1e-12);
}

/// N_G of scale_free_dampings: the norm of what `factor` sees of G, less where it sees little.
Real damped_norm(const RealMatrix& factor, const RealMatrix& G, double rho) {
  const reference::Svd svd = reference::svd(factor);
  Real sum = 0;
  for (std::size_t i = 0; i < svd.values.size() && svd.largest() > 0; ++i) {
    const Real l = svd.values[i] * svd.values[i];
    const RealMatrix part = transposed(svd.U.col(static_cast<Index>(i))) * G;
    sum += squared_norm(part) * l / (l + Real(rho) * svd.largest() * svd.largest());
  }
  return std::sqrt(sum);
}

/// The X that minimises ||factor X - target||^2 + delta ||X||^2.
RealMatrix ridge(const RealMatrix& factor, const RealMatrix& target, Real delta) {
  const Index m = factor.rows(), r = factor.cols(), n = target.cols();
  if (squared_norm(factor) == 0) return RealMatrix::Zero(r, n);
  RealMatrix rows(m + r, r), wanted = RealMatrix::Zero(m + r, n);
  rows << factor, std::sqrt(delta) * RealMatrix::Identity(r, r);
  wanted.topRows(m) = target;
  return rows.colPivHouseholderQr().solve(wanted);
}

TEST_CASE("damped AltLoRA's momentum is a ridge regression on that before and the gradient",
          "[altlora_rule]") {
  for (const bool has_second_moment : {false, true}) {
    for (const double deviation_B : {0.0, 1.0}) {
      const Index m = 12, n = 9;
      const double s = 2, lr = 0.02, beta1 = AltLoraRule::kBeta1, rho = 0.1;
      PairBuffers<double> pair(m, n, 4, s, 31, deviation_B);
      lorapro::OptimizerConfig config;
      config.group.lr = lr;
      config.damping = rho;
      BaseOptimizer<double> optimizer(has_second_moment
                                          ? lorapro::runtime_rule<double, AltLoraPlusRule>()
                                          : lorapro::runtime_rule<double, AltLoraRule>(),
                                      config);
      optimizer.attach(pair.view());
      // Of A the columns of A^T, so that both factors are tall.
      PerSide<RealMatrix> value{pair.factors().A.transpose(), pair.factors().B};
      PerSide<RealMatrix> moment, second, earlier;
      Real direction_norm = 0;  // N
      for (int t = 1; t <= 12; ++t) {
        const RealMatrix G = random_matrix(m, n, 40 + t);
        pair.backpropagate(G);
        REQUIRE(optimizer.step().updated == 1);
        const lorapro::Side side = t % 2 == 1 ? lorapro::Side::A : lorapro::Side::B;
        const RealMatrix fixed = value[lorapro::other(side)];
        const RealMatrix gradient = (side == lorapro::Side::A ? G : G.transpose()) / s;
        const Real largest = reference::svd(fixed).largest();
        Real delta = rho * largest * largest;
        if (side == lorapro::Side::A && !has_second_moment) {
          direction_norm = beta1 * direction_norm + (1 - beta1) * damped_norm(fixed, gradient, rho);
          const Real tau = lr * direction_norm / (2 * AltLoraRule::kMaxRelativeMove);
          delta += tau * tau / squared_norm(value.A);
        }
        RealMatrix target = (1 - beta1) * gradient;
        if (t > 2) target += beta1 * earlier[side] * moment[side].transpose();
        const RealMatrix g = ridge(fixed, gradient, delta).transpose();
        moment[side] = ridge(fixed, target, delta).transpose();
        earlier[side] = fixed;
        RealMatrix move = moment[side];
        if (has_second_moment) {
          if (t <= 2) second[side] = RealMatrix::Zero(g.rows(), g.cols());
          second[side] = config.beta2 * second[side] + (1 - config.beta2) * g.cwiseProduct(g);
          move = move.cwiseQuotient((second[side].cwiseSqrt().array() + config.eps).matrix());
        }
        if (side == lorapro::Side::A && !has_second_moment)
          CHECK(lr * std::sqrt(squared_norm(move)) <=
                AltLoraRule::kMaxRelativeMove * std::sqrt(squared_norm(value.A)));
        value[side] -= lr * move;
        INFO("step " << t << ", second moments: " << has_second_moment);
        CHECK(max_abs(pair.factors().A - value.A.transpose()) < 1e-11);
        CHECK(max_abs(pair.factors().B - value.B) < 1e-11);
      }
    }
  }
}

TEST_CASE("[trap] a momentum that comes over to a small factor is bounded by the damping",
          "[altlora_rule][trap]") {
  const auto move = [](double damping) {
    PairBuffers<double> pair(12, 9, 4, 1, 33, 0.0);
    lorapro::OptimizerConfig config;
    config.group.lr = 1e-3;
    config.damping = damping;
    lorapro::Optimizer<double, AltLoraRule> optimizer(config);
    optimizer.attach(pair.view());
    for (std::uint64_t t = 0; t < 6; ++t) {
      pair.backpropagate(random_matrix(12, 9, 50 + t));
      REQUIRE(optimizer.step().updated == 1);
    }
    // A column of B all but vanishes, as on its way to the other sign.
    const RealMatrix before = pair.factors().A;
    pair.B.col(0) *= 1e-6;
    pair.backpropagate(random_matrix(12, 9, 60));
    REQUIRE(optimizer.step().updated == 1);
    return std::sqrt(squared_norm(pair.factors().A - before) / squared_norm(before));
  };
  CHECK(move(0.1) <= AltLoraRule::kMaxRelativeMove);
  CHECK(move(0) > 1e3);  // as published
}

/// The largest move of A, or of B where that is the fixed factor, in a step from a start at 0 of the
/// other, relative to itself.
double largest_move(double lr, double damping, bool swapped) {
  PairBuffers<double> pair(12, 9, 4, 2, 35, 0.0);
  if (swapped) {
    pair.A.setZero();
    round_into(random_matrix(12, 4, 36), pair.B);
  }
  lorapro::OptimizerConfig config;
  config.group.lr = lr;
  config.damping = damping;
  lorapro::Optimizer<double, AltLoraRule> optimizer(config);
  optimizer.attach(pair.view());
  const auto fixed = [&] { return swapped ? pair.factors().B : pair.factors().A; };
  Real largest = 0;
  for (std::uint64_t t = 0; t < 30; ++t) {
    pair.backpropagate(random_matrix(12, 9, 70 + t));
    const RealMatrix before = fixed();
    REQUIRE(optimizer.step().updated == 1);
    largest = std::max(largest, squared_norm(fixed() - before) / squared_norm(before));
  }
  return static_cast<double>(std::sqrt(largest));
}

TEST_CASE("[trap] from B = 0 on a step moves A by a part of itself, whatever the rate",
          "[altlora_rule][trap]") {
  for (const bool swapped : {false, true}) {
    for (const double lr : {1e2, 1.0, 1e-2, 1e-4}) {
      CAPTURE(swapped, lr);
      CHECK(largest_move(lr, 0.1, swapped) <= AltLoraRule::kMaxRelativeMove * (1 + 1e-12));
      CHECK(largest_move(lr, 0, swapped) > 0.5);  // as published
    }
  }
}

/// N after one step on a gradient times `scale`. \param max_grad_norm  0: not clipped.
double direction_norm(double scale, double max_grad_norm) {
  PairBuffers<double> pair(12, 9, 4, 2, 37, 1.0);
  lorapro::OptimizerConfig config;
  if (max_grad_norm > 0) {
    config.group.clip_norm = lorapro::ClipNorm::adapter;
    config.group.max_grad_norm = max_grad_norm;
  }
  lorapro::Optimizer<double, AltLoraRule> optimizer(config);
  optimizer.attach(pair.view());
  pair.backpropagate(Real(scale) * random_matrix(12, 9, 38));
  REQUIRE(optimizer.step().updated == 1);
  double out = 0;
  optimizer.visit([&](const std::string& name, auto&& entry) {
    if constexpr (!std::is_same_v<std::decay_t<decltype(entry)>, std::int64_t>)
      if (name.find("direction_norm") != std::string::npos) entry.read(&out);
  });
  return out;
}

TEST_CASE("AltLoRA's bound counts a gradient as it was clipped", "[altlora_rule]") {
  PairBuffers<double> pair(12, 9, 4, 2, 37, 1.0);
  pair.backpropagate(random_matrix(12, 9, 38));
  const auto norm = static_cast<double>(pair.grad_A.norm());
  const double whole = direction_norm(1, 0);
  CHECK(whole > 0);
  CHECK(direction_norm(0.1, 0) == Approx(0.1 * whole));
  CHECK(direction_norm(1, 0.1 * norm) == Approx(0.1 * whole));
}

TEST_CASE("[trap] a start from B = 0 leaves A alone, and damping what B becomes",
          "[altlora_rule][trap]") {
  PairBuffers<float> pair(8, 9, 8, 0.5, 3, 0.0);
  const PairBuffers<float> before = pair;
  lorapro::Optimizer<float, AltLoraPlusRule> optimizer;
  optimizer.attach(pair.view());
  pair.backpropagate(random_matrix(8, 9, 5));
  CHECK(optimizer.step().rank_deficient == 1);
  CHECK(same_bits(pair.A, before.A));
  pair.backpropagate(random_matrix(8, 9, 6));
  // Of elements of equal size, the sign of the gradient's: this one has four equal columns.
  for (Index k = 1; k < 4; ++k) pair.grad_B.col(k) = pair.grad_B.col(0);
  CHECK(optimizer.step().updated == 1);
  pair.backpropagate(random_matrix(8, 9, 7));
  CHECK(optimizer.step().updated == 1);
  CHECK(max_abs(pair.factors().A - before.factors().A) < 0.1);
}

}  // namespace

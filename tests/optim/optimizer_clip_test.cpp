// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/lora_pro_full_rule.hpp>
#include <lorapro/optim/lora_pro_sgd_rule.hpp>
#include <lorapro/optim/optimizer.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::ClipNorm;
using lorapro::OptimizerConfig;

OptimizerConfig clipping(ClipNorm norm, double limit) {
  OptimizerConfig config;
  config.group.lr = 0.1;
  config.group.clip_norm = norm;
  config.group.max_grad_norm = limit;
  config.eps = 1e-3;
  return config;
}

/// Two pairs and a dense parameter in one group; the norm runs over all of them.
template <typename Rule>
void check_common_norm(ClipNorm norm) {
  CAPTURE(static_cast<int>(norm));
  PairBuffers<double> first(12, 9, 3, 0.5, 1), second(7, 300, 2, 2.0, 2);
  RowMatrix<double> w = RowMatrix<double>::Zero(1, 20),
                    g = rounded<double>(random_matrix(1, 20, 3));
  first.backpropagate(random_matrix(12, 9, 4));
  second.backpropagate(random_matrix(7, 300, 5));
  const auto norm_of = [&](const PairBuffers<double>& pair) {
    const Factors f = pair.factors(), gradient = pair.gradients();
    if (norm == ClipNorm::adapter) return squared_norm(gradient.A) + squared_norm(gradient.B);
    const double m = static_cast<double>(f.B.rows()), n = static_cast<double>(f.A.cols());
    const Real direction_norm = std::is_same_v<Rule, lorapro::LoraPro<lorapro::NoMoments>>
                                    ? fixed_norm(f, gradient, pair.scaling, 0.1, false)
                                    : Real(0.2 * std::sqrt(m * n / 2));  // 2 rank below m and n
    const Lambdas lambda = lambdas(f, pair.scaling, 0.1, 0.1L * direction_norm, 0.05);
    return squared_norm(equivalent_gradient(
        f, adjust(f, gradient, pair.scaling, lambda, lorapro::Gauge::sylvester, 0x1.0p-52),
        pair.scaling));
  };
  const double expected = static_cast<double>(
      std::sqrt(norm_of(first) + norm_of(second) + squared_norm(real<double>(g))));

  // The clipped step is the step of gradients scaled by the same factor.
  PairBuffers<double> scaled_first = first, scaled_second = second;
  RowMatrix<double> scaled_w = w, scaled_g = g;
  const double factor = 0.5 / expected;
  scaled_first.grad_A *= factor;
  scaled_first.grad_B *= factor;
  scaled_second.grad_A *= factor;
  scaled_second.grad_B *= factor;
  scaled_g *= factor;

  lorapro::Optimizer<double, Rule> clipped(clipping(norm, 0.5)), free(clipping(ClipNorm::none, 1));
  clipped.attach(first.view());
  clipped.attach(second.view());
  clipped.attach(lorapro::DenseView<double>{w.data(), g.data(), 20});
  free.attach(scaled_first.view());
  free.attach(scaled_second.view());
  free.attach(lorapro::DenseView<double>{scaled_w.data(), scaled_g.data(), 20});
  // A second group has a norm and a limit of its own.
  PairBuffers<double> apart(5, 4, 2, 1.0, 3);
  apart.backpropagate(random_matrix(5, 4, 6, 1e-3));
  const double apart_norm = static_cast<double>(std::sqrt(norm_of(apart)));
  auto group = clipping(norm, 1e6).group;
  clipped.attach(apart.view(), clipped.add_group(group));

  const auto report = clipped.step();
  CHECK(report.grad_norm == Approx(std::hypot(expected, apart_norm)).epsilon(1e-12));
  CHECK(report.clip_factor == Approx(factor).epsilon(1e-12));
  REQUIRE(free.step().updated == 3);
  CHECK((first.A - scaled_first.A).cwiseAbs().maxCoeff() < 1e-12);
  CHECK((first.B - scaled_first.B).cwiseAbs().maxCoeff() < 1e-12);
  CHECK((second.A - scaled_second.A).cwiseAbs().maxCoeff() < 1e-12);
  CHECK((second.B - scaled_second.B).cwiseAbs().maxCoeff() < 1e-12);
  CHECK((w - scaled_w).cwiseAbs().maxCoeff() < 1e-12);
}

TEST_CASE("the norm of a group runs over its pairs and dense parameters", "[optimizer][trap]") {
  for (const ClipNorm norm : {ClipNorm::equivalent_gradient, ClipNorm::adapter}) {
    check_common_norm<lorapro::LoraPro<lorapro::NoMoments>>(norm);
    check_common_norm<lorapro::LoraPro<lorapro::FullMoments<double>>>(norm);
  }
}

TEST_CASE("gradients within the limit are not touched", "[optimizer]") {
  PairBuffers<double> pair(12, 9, 3, 0.5, 1), twin = pair;
  pair.backpropagate(random_matrix(12, 9, 4));
  twin.backpropagate(random_matrix(12, 9, 4));
  using LoraPro = lorapro::LoraProOptimizer<double, lorapro::NoMoments>;
  LoraPro clipped(clipping(ClipNorm::equivalent_gradient, 1e3)), free(clipping(ClipNorm::none, 1));
  clipped.attach(pair.view());
  free.attach(twin.view());
  const auto report = clipped.step();
  CHECK(report.clip_factor == 1);
  CHECK(report.grad_norm > 1);
  CHECK(free.step().grad_norm == 0);  // nothing asked for it
  CHECK(same_parameters(pair, twin));
}

TEST_CASE("the norm is that of the unscaled mean gradient", "[optimizer]") {
  PairBuffers<double> pair(12, 9, 3, 0.5, 1), twin = pair;
  pair.backpropagate(random_matrix(12, 9, 4));
  twin.backpropagate(random_matrix(12, 9, 4), 64);
  using LoraPro = lorapro::LoraProOptimizer<double, lorapro::NoMoments>;
  LoraPro plain(clipping(ClipNorm::equivalent_gradient, 0.25));
  LoraPro scaled(clipping(ClipNorm::equivalent_gradient, 0.25));
  plain.attach(pair.view());
  scaled.attach(twin.view());
  const auto report = plain.step(), other = scaled.step({16.0, 4});
  CHECK(report.grad_norm == other.grad_norm);
  CHECK(report.clip_factor == other.clip_factor);
  CHECK(same_parameters(pair, twin));
}

TEST_CASE("skipped parameters do not enter the norm", "[optimizer][trap]") {
  double w[2] = {1, 1}, g[2] = {3, std::numeric_limits<double>::quiet_NaN()};
  using LoraPro = lorapro::LoraProOptimizer<double, lorapro::NoMoments>;
  LoraPro optimizer(clipping(ClipNorm::adapter, 1.5));
  optimizer.attach(lorapro::DenseView<double>{w, g, 1});
  optimizer.attach(lorapro::DenseView<double>{w + 1, g + 1, 1});
  const auto report = optimizer.step();
  CHECK(report.grad_norm == 3);
  CHECK(report.clip_factor == 0.5);
  CHECK(report.skipped_non_finite == 1);
  CHECK(w[0] == Approx(1 - 0.1 * 1.5));
  CHECK(w[1] == 1);
}

}  // namespace

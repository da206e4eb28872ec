// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/dense_muon.hpp>

#include <lorapro/optim/muon_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::MuonRule;
using lorapro::OptimizerConfig;

/// Newton-Schulz on the singular values of N / ||N||.
RealMatrix newton_schulz(const RealMatrix& N) {
  const reference::Svd svd = reference::svd(N);
  const Real norm = std::sqrt(squared_norm(N));
  RealMatrix out = RealMatrix::Zero(N.rows(), N.cols());
  for (std::size_t k = 0; k < svd.values.size(); ++k) {
    Real x = svd.values[k] / norm;
    for (int i = 0; i < 5; ++i) x = 3.4445L * x - 4.7750L * x * x * x + 2.0315L * x * x * x * x * x;
    const auto column = static_cast<Index>(k);
    out += x * product(RealMatrix(svd.U.col(column)), transposed(RealMatrix(svd.V.col(column))));
  }
  return out;
}

TEMPLATE_TEST_CASE("Muon orthogonalises the momentum of dense matrices", "[dense_muon]", float,
                   double) {
  OptimizerConfig config;
  config.beta1 = 0.95;
  config.group.lr = 0.1;
  config.group.weight_decay = 0.5;
  struct Sizes {
    Index rows, cols;
  };
  for (const Sizes& size : {Sizes{12, 20}, Sizes{20, 12}, Sizes{7, 7}, Sizes{3, 300}}) {
    CAPTURE(size.rows, size.cols);
    RowMatrix<TestType> w = rounded<TestType>(random_matrix(size.rows, size.cols, 1)), g = w;
    lorapro::Optimizer<TestType, MuonRule> optimizer(config);
    optimizer.attach(lorapro::DenseView<TestType>{w.data(), g.data(), w.size(), size.cols}, {},
                     "w");
    RealMatrix momentum = RealMatrix::Zero(size.rows, size.cols);
    for (std::uint64_t t = 0; t < 4; ++t) {
      round_into(random_matrix(size.rows, size.cols, 10 + t), g);
      momentum = 0.95L * momentum + 0.05L * real<TestType>(g);
      const RealMatrix H = newton_schulz(0.95L * momentum + 0.05L * real<TestType>(g));
      const Real scale = 0.2L * std::sqrt(Real(std::max(size.rows, size.cols)));
      const RealMatrix expected = 0.95L * real<TestType>(w) - 0.1L * scale * H;
      REQUIRE(optimizer.step().updated == 1);
      CHECK(max_abs(real<TestType>(w) - expected) < 1e4 * lorapro::storage_epsilon<TestType>());
    }
    CHECK(max_abs(tensor_of<TestType>(state_of(optimizer), "w.exp_avg", size.rows, size.cols) -
                  momentum) < 10 * lorapro::storage_epsilon<TestType>());
    CHECK(optimizer.state_bytes() == static_cast<std::size_t>(w.size()) * sizeof(TestType));
  }
}

TEST_CASE("Muon takes AdamW where a dense parameter is no matrix", "[dense_muon]") {
  for (const Index cols : {Index{0}, Index{1}, Index{30}}) {
    CAPTURE(cols);
    RowMatrix<double> w = rounded<double>(random_matrix(1, 30, 1)), g(1, 30);
    RealMatrix expected = real<double>(w);
    lorapro::Optimizer<double, MuonRule> optimizer;
    optimizer.attach(lorapro::DenseView<double>{w.data(), g.data(), 30, cols}, {}, "w");
    Moments moments;
    for (int t = 1; t <= 3; ++t) {
      round_into(random_matrix(1, 30, static_cast<std::uint64_t>(t)), g);
      expected -= 1e-3L * adam(moments, real<double>(g), optimizer.config(), t);
      REQUIRE(optimizer.step().updated == 1);
    }
    CHECK(max_abs(real<double>(w) - expected) < 1e-14);
  }
}

TEST_CASE("Muon refuses columns that do not divide the size", "[dense_muon]") {
  double w[6] = {}, g[6] = {};
  lorapro::Optimizer<double, MuonRule> optimizer;
  CHECK_THROWS_AS(optimizer.attach(lorapro::DenseView<double>{w, g, 6, 4}), lorapro::ShapeError);
  CHECK_THROWS_AS(optimizer.attach(lorapro::DenseView<double>{w, g, 6, -2}), lorapro::ShapeError);
  // Without gradients nothing moves, matrix or not.
  optimizer.attach(lorapro::DenseView<double>{w, g, 6, 3});
  REQUIRE(optimizer.step().updated == 1);
  for (const double x : w) CHECK(x == 0);
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/elementwise.hpp>

#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/sgd_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::AdamWRule;
using lorapro::DenseView;
using lorapro::OptimizerConfig;
using lorapro::SgdRule;

TEST_CASE("dense SGD is exact in integers", "[elementwise]") {
  for (const Index size : {1, 31, 256, 257, 1000}) {
    std::vector<float> value(static_cast<std::size_t>(size), 5), grad(value.size());
    for (std::size_t i = 0; i < grad.size(); ++i) grad[i] = static_cast<float>(i);
    OptimizerConfig config;
    config.group.lr = 1;
    lorapro::Optimizer<float, SgdRule> optimizer(config);
    optimizer.attach(DenseView<float>{value.data(), grad.data(), size});
    REQUIRE(optimizer.step({4.0, 1}).updated == 1);
    for (std::size_t i = 0; i < value.size(); ++i)
      if (value[i] != 5 - 0.25F * static_cast<float>(i)) FAIL_CHECK(i);
    optimizer.zero_grad();
    for (const float g : grad)
      if (g != 0) FAIL_CHECK(g);
  }
}

template <typename T>
void follow_adamw(Index size) {
  OptimizerConfig config;
  config.group.lr = 0.05;
  config.group.weight_decay = 0.5;
  config.eps = 1e-3;
  config.group.clip_norm = lorapro::ClipNorm::adapter;
  config.group.max_grad_norm = 2;
  RowMatrix<T> value = rounded<T>(random_matrix(1, size, 1)), grad(1, size);
  lorapro::Optimizer<T, AdamWRule> optimizer(config);
  optimizer.attach(DenseView<T>{value.data(), grad.data(), size}, {}, "head");
  Moments moments;
  for (int t = 1; t <= 5; ++t) {
    round_into(random_matrix(1, size, static_cast<std::uint64_t>(10 + t)), grad);
    RealMatrix g = real<T>(grad);
    const Real norm = std::sqrt(squared_norm(g));
    if (norm > 2) g *= 2 / norm;
    const RealMatrix expected =
        (1 - Real(0.05) * 0.5) * real<T>(value) - Real(0.05) * adam(moments, g, config, t);
    const auto report = optimizer.step();
    CHECK(report.grad_norm == Approx(static_cast<double>(norm)));
    CHECK(max_abs(real<T>(value) - expected) < 500 * lorapro::storage_epsilon<T>());
    CHECK(max_abs(tensor_of<T>(state_of(optimizer), "head.exp_avg_sq", 1, size) -
                  moments.exp_avg_sq) < 100 * lorapro::storage_epsilon<T>());
  }
}

TEST_CASE("dense AdamW follows its reference", "[elementwise]") {
  for (const Index size : {1, 65, 513}) {
    follow_adamw<float>(size);
    follow_adamw<double>(size);
  }
}

TEST_CASE("dense parameters that are not finite or would overflow are skipped", "[elementwise]") {
  const float bad = GENERATE(1e20F, 1e30F, std::numeric_limits<float>::infinity(),
                             std::numeric_limits<float>::quiet_NaN());
  std::vector<float> value(300, 1), grad(300, 1), other(5, 1), other_grad(5, 1);
  lorapro::Optimizer<float, AdamWRule> optimizer;
  optimizer.attach(DenseView<float>{value.data(), grad.data(), 300}, {}, "bad");
  optimizer.attach(DenseView<float>{other.data(), other_grad.data(), 5}, {}, "good");
  REQUIRE(optimizer.step().updated == 2);
  const std::vector<float> before = value, other_before = other;
  const Snapshot state = state_of(optimizer);
  grad[299] = bad;
  const auto report = optimizer.step();
  CHECK(report.updated == 1);
  CHECK(report.skipped_non_finite == (bad < 1e31F ? 0 : 1));
  CHECK(report.skipped_overflow == (bad < 1e31F ? 1 : 0));
  CHECK(value == before);
  CHECK(other != other_before);
  CHECK(entries_of(state_of(optimizer), "bad") == entries_of(state, "bad"));
  // A good gradient afterwards is taken with the parameter's own step count.
  grad[299] = 1;
  REQUIRE(optimizer.step().updated == 2);
  CHECK(entries_of(state_of(optimizer), "bad").at("bad.step")[0] == 2);
  CHECK(entries_of(state_of(optimizer), "good").at("good.step")[0] == 3);
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/any_optimizer.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using AnyOptimizer = lorapro::AnyOptimizer<float>;

TEST_CASE("an optimizer of every rule is made by its name", "[any_optimizer]") {
  for (const std::string& name : lorapro::rule_names()) {
    CAPTURE(name);
    lorapro::OptimizerConfig config;
    config.group.lr = 0.01;
    AnyOptimizer optimizer(name, config);
    CHECK(optimizer.rule() == name);
    PairBuffers<float> pair(6, 5, 2, 1.0, 1);
    const PairBuffers<float> before = pair;
    std::vector<float> value(3, 1.0F), grad(3, 1.0F);
    optimizer.attach(pair.view());
    optimizer.attach(lorapro::DenseView<float>{value.data(), grad.data(), 3}, {}, "head");
    pair.backpropagate(random_matrix(6, 5, 9));
    CHECK(optimizer.step().updated == 2);
    CHECK_FALSE(same_parameters(pair, before));
    CHECK(value[0] != 1.0F);
    CHECK(optimizer.step_count() == 1);
    CHECK(optimizer.config().group.lr == 0.01);
    optimizer.zero_grad();
    CHECK(pair.grad_A.isZero(0));
  }
}

TEST_CASE("an optimizer by name steps as its type does", "[any_optimizer]") {
  PairBuffers<float> one(6, 5, 2, 1.0, 1), two(6, 5, 2, 1.0, 1);
  AnyOptimizer by_name("muon");
  lorapro::Optimizer<float, lorapro::MuonRule> by_type;
  by_name.attach(one.view());
  by_type.attach(two.view());
  for (std::uint64_t t = 0; t < 3; ++t) {
    one.backpropagate(random_matrix(6, 5, t));
    two.backpropagate(random_matrix(6, 5, t));
    CHECK(by_name.step().updated == by_type.step().updated);
  }
  CHECK(same_parameters(one, two));
  CHECK(by_name.state_bytes() == by_type.state_bytes());
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
// Compiled alone: it compiles every rule.
#include <lorapro/optim/any_optimizer.hpp>

#include <set>  // std::set

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using AnyOptimizer = lorapro::AnyOptimizer<float>;

TEST_CASE("every rule has a name of its own, by which an optimizer is made", "[any_optimizer]") {
  const auto names = lorapro::rule_names();
  CHECK(std::set<std::string>(names.begin(), names.end()).size() == names.size());
  CHECK(names.front() == "lora_pro_spectral");
  for (const std::string& name : names) {
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

TEST_CASE("an unknown rule is refused with the names of all", "[any_optimizer]") {
  CHECK_THROWS_WITH(AnyOptimizer("adam"),
                    "rule: expected one of lora_pro_spectral, lora_pro_full, lora_pro_factored, "
                    "lora_pro_adapter, lora_pro_sgd, adamw, sgd, lion, muon, scaled_gd, "
                    "scaled_adamw, got \"adam\"");
}

}  // namespace

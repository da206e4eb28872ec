// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/layer/lora_layer.hpp>
#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/altlora_rule.hpp>
#include <lorapro/optim/loft_rule.hpp>
#include <lorapro/optim/lora_fa_rule.hpp>
#include <lorapro/optim/lora_pro_sgd_rule.hpp>
#include <lorapro/optim/optimizer.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::ConfigError;
using lorapro::DecayTarget;
using lorapro::GroupConfig;
using lorapro::OptimizerConfig;
using ProSgdOptimizer = lorapro::LoraProOptimizer<double, lorapro::NoMoments>;

/// lr wd = 1/4 in steps with factor 1.
OptimizerConfig decaying(DecayTarget target) {
  OptimizerConfig config;
  config.group.lr = 0.5;
  config.group.weight_decay = 0.5;
  config.group.decay_target = target;
  return config;
}

TEST_CASE("adapter decay shrinks A and B and leaves W0", "[optimizer]") {
  PairBuffers<double> pair(6, 5, 2, 2.0, 1);
  const PairBuffers<double> before = pair;
  RowMatrix<double> W0 = RowMatrix<double>::Constant(6, 5, 3);
  auto view = pair.view();
  view.base_weight = W0.data();
  ProSgdOptimizer optimizer(decaying(DecayTarget::adapter));
  optimizer.attach(view);
  REQUIRE(optimizer.step().updated == 1);
  CHECK(max_abs(pair.factors().A - Real(0.75) * before.factors().A) < 1e-15);
  CHECK(max_abs(pair.factors().B - Real(0.75) * before.factors().B) < 1e-15);
  CHECK((W0.array() == 3).all());
}

TEST_CASE("merged decay shrinks W by exactly one minus lr times decay", "[optimizer][trap]") {
  PairBuffers<double> pair(6, 5, 2, 2.0, 1);
  const RowMatrix<double> start = rounded<double>(random_matrix(6, 5, 9));
  RowMatrix<double> W0 = start;
  auto view = pair.view();
  view.base_weight = W0.data();
  auto config = decaying(DecayTarget::merged);
  config.schedule = lorapro::LrSchedule::constant(2);  // lr 1/4, then 1/2: decay by 7/8, then 3/4
  ProSgdOptimizer optimizer(config);
  optimizer.attach(view);
  const RealMatrix W = real<double>(W0) + pair.delta_W();
  REQUIRE(optimizer.step().updated == 1);
  CHECK(W0 == RowMatrix<double>(0.875 * start));
  CHECK(max_abs(real<double>(W0) + pair.delta_W() - Real(0.875) * W) < 1e-14);
  REQUIRE(optimizer.step().updated == 1);
  CHECK(max_abs(real<double>(W0) + pair.delta_W() - Real(0.875) * Real(0.75) * W) < 1e-14);
}

TEMPLATE_TEST_CASE("merged decay shrinks W as much where a step moves one factor alone",
                   "[optimizer][trap]", lorapro::LoraFaRule, lorapro::AltLoraRule,
                   lorapro::AltLoraPlusRule, lorapro::LoftRule) {
  PairBuffers<double> pair(6, 5, 2, 2.0, 1);
  RowMatrix<double> W0 = rounded<double>(random_matrix(6, 5, 9));
  auto view = pair.view();
  view.base_weight = W0.data();
  lorapro::Optimizer<double, TestType> optimizer(decaying(DecayTarget::merged));
  optimizer.attach(view);
  RealMatrix expected = real<double>(W0) + pair.delta_W();
  for (int step = 0; step < 3; ++step) {
    REQUIRE(optimizer.step().updated == 1);
    expected *= Real(0.75);
    CHECK(max_abs(real<double>(W0) + pair.delta_W() - expected) < 1e-14);
  }
}

TEST_CASE("merged decay of a layer acts with the gradient step", "[optimizer]") {
  lorapro::LoraConfig layer_config;
  layer_config.rank = 2;
  layer_config.lora_alpha = 4;
  const RowMatrix<double> start = rounded<double>(random_matrix(6, 5, 9));
  lorapro::LoraLayer<double> layer(lorapro::BaseWeight<double>::own(start), layer_config);
  const RealMatrix A = real<double>(layer.lora_A());
  layer.grad_B().setOnes();
  auto config = decaying(DecayTarget::merged);
  lorapro::Optimizer<double, lorapro::AdamWRule> optimizer(config);
  optimizer.attach(layer);
  REQUIRE(optimizer.step().updated == 1);
  CHECK(RowMatrix<double>(layer.base_weight().matrix()) == RowMatrix<double>(0.75 * start));
  CHECK(max_abs(real<double>(layer.lora_A()) - std::sqrt(Real(0.75)) * A) < 1e-15);
  CHECK((layer.lora_B().array() + 0.5).abs().maxCoeff() < 1e-7);
}

TEST_CASE("dense parameters decay fully under merged decay", "[optimizer]") {
  // Also where a pair is attached: the square root is for factors alone.
  double w[3] = {8, 8, 8}, g[3] = {0, 0, 0};
  PairBuffers<double> pair(6, 5, 2, 2.0, 1);
  RowMatrix<double> W0 = RowMatrix<double>::Ones(6, 5);
  auto view = pair.view();
  view.base_weight = W0.data();
  ProSgdOptimizer optimizer(decaying(DecayTarget::merged));
  optimizer.attach(lorapro::DenseView<double>{w, g, 2});
  optimizer.attach(view);
  optimizer.attach(lorapro::DenseView<double>{w + 2, g + 2, 1});
  REQUIRE(optimizer.step().updated == 3);
  for (const double x : w) CHECK(x == 6);
}

TEST_CASE("a skipped pair does not decay its W0", "[optimizer]") {
  PairBuffers<double> pair(6, 5, 2, 2.0, 1);
  RowMatrix<double> W0 = RowMatrix<double>::Ones(6, 5);
  auto view = pair.view();
  view.base_weight = W0.data();
  ProSgdOptimizer optimizer(decaying(DecayTarget::merged));
  optimizer.attach(view);
  pair.grad_A(0, 0) = std::numeric_limits<double>::quiet_NaN();
  CHECK(optimizer.step().skipped_non_finite == 1);
  CHECK((W0.array() == 1).all());
}

TEST_CASE("merged decay needs a W0 that is writable, its own, and float or double", "[optimizer]") {
  ProSgdOptimizer optimizer(decaying(DecayTarget::merged));
  PairBuffers<double> pair(6, 5, 2, 2.0, 1), other(6, 5, 2, 2.0, 2);
  RowMatrix<double> W0 = RowMatrix<double>::Ones(6, 5);
  CHECK_THROWS_WITH(optimizer.attach(pair.view()),
                    "pair.0: decay_target: expected a sole, writable W0 for merged decay, got none "
                    "for this pair");
  std::vector<bfloat16> coarse(30);
  const auto with_base = [](PairBuffers<double>& buffers, auto* base) {
    const auto v = buffers.view();
    return lorapro::LoraView<double, std::remove_pointer_t<decltype(base)>>{
        v.lora_A, v.lora_B, v.grad_A, v.grad_B, v.scaling, base};
  };
  CHECK_THROWS_AS(optimizer.attach(with_base(pair, coarse.data())), ConfigError);
  std::vector<float> single(30, 1);
  optimizer.attach(with_base(other, single.data()));
  REQUIRE(optimizer.step().updated == 1);
  CHECK(single == std::vector<float>(30, 0.75F));
  // Layers: a read-only map, a shared W0, then one of its own.
  lorapro::LoraConfig config;
  config.rank = 2;
  using Base = lorapro::BaseWeight<double>;
  lorapro::LoraLayer<double> read_only(Base::map(W0.data(), 6, 5), config);
  CHECK_THROWS_AS(optimizer.attach(read_only), ConfigError);
  const Base shared = Base::own(W0);
  lorapro::LoraLayer<double> sharing(shared, config);
  CHECK_THROWS_AS(optimizer.attach(sharing), ConfigError);
  lorapro::LoraLayer<double> sole(Base::own(W0), config);
  optimizer.attach(sole);
  CHECK(optimizer.step().updated == 2);
}

TEST_CASE("merged decay refuses a W0 that two pairs have", "[optimizer]") {
  PairBuffers<double> first(6, 5, 2, 2.0, 1), second(6, 5, 2, 2.0, 2);
  RowMatrix<double> W0 = RowMatrix<double>::Ones(6, 5);
  auto view = first.view(), other = second.view();
  view.base_weight = other.base_weight = W0.data();
  ProSgdOptimizer optimizer(decaying(DecayTarget::merged));
  const auto frozen = optimizer.add_group({});
  optimizer.attach(view);
  CHECK_THROWS_WITH(
      optimizer.attach(other),
      "pair.1: decay_target: expected a sole W0 for merged decay, got one shared with pair.0");
  CHECK_THROWS_AS(optimizer.attach(other, frozen), ConfigError);
  // Two adapters on one frozen W0 are fine until one of the groups wants to decay it.
  ProSgdOptimizer plain;
  plain.attach(view);
  plain.attach(other);
  CHECK_THROWS_AS(plain.set_group(decaying(DecayTarget::merged).group), ConfigError);
  CHECK(plain.step().updated == 2);
  CHECK((W0.array() == 1).all());
}

TEST_CASE("merged decay is checked when a group changes", "[optimizer]") {
  PairBuffers<double> pair(6, 5, 2, 2.0, 1);
  ProSgdOptimizer optimizer;
  optimizer.attach(pair.view());
  const GroupConfig merged = decaying(DecayTarget::merged).group;
  CHECK_THROWS_AS(optimizer.set_group(merged), ConfigError);
  CHECK(optimizer.group().weight_decay == 0);
  const auto other = optimizer.add_group(merged);
  CHECK(optimizer.step().updated == 1);
  auto detached = optimizer.detach({0});
  CHECK_THROWS_AS(optimizer.attach(pair.view(), other), ConfigError);
  optimizer.attach(pair.view(), std::move(detached));
  CHECK(optimizer.step().updated == 1);
}

TEST_CASE("lr times decay beyond one is refused before anything is written", "[optimizer][trap]") {
  PairBuffers<double> pair(6, 5, 2, 2.0, 1);
  pair.backpropagate(random_matrix(6, 5, 3));
  const PairBuffers<double> before = pair;
  auto config = decaying(DecayTarget::adapter);
  config.group.lr = 2;
  config.group.weight_decay = 0.5;
  ProSgdOptimizer exactly_one(config);
  config.group.weight_decay = 0.75;
  ProSgdOptimizer beyond(config);
  beyond.attach(pair.view());
  CHECK_THROWS_AS(beyond.step(), ConfigError);
  CHECK(same_parameters(pair, before));
  CHECK(beyond.step_count() == 0);
  exactly_one.attach(pair.view());
  CHECK(exactly_one.step().updated == 1);
}

}  // namespace

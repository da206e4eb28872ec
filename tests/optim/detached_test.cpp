// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/detached.hpp>

#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/optimizer.hpp>
#include <lorapro/optim/sgd_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::DenseId;
using lorapro::PairId;
using AdamWOptimizer = lorapro::Optimizer<float, lorapro::AdamWRule>;

TEST_CASE("what was detached tells its shape", "[detached]") {
  PairBuffers<float> pair(6, 5, 2, 1.0, 1);
  std::vector<float> value(7), grad(7);
  AdamWOptimizer optimizer;
  optimizer.attach(pair.view());
  const DenseId dense = optimizer.attach(lorapro::DenseView<float>{value.data(), grad.data(), 7});
  const AdamWOptimizer::DetachedPair detached = optimizer.detach({0});  // a number is a pair's
  CHECK(detached.out_features() == 6);
  CHECK(detached.in_features() == 5);
  CHECK(detached.rank() == 2);
  CHECK(AdamWOptimizer::DetachedDense(optimizer.detach(dense)).size() == 7);
  CHECK_THROWS_WITH(optimizer.detach({0}), "pair: expected an attached pair, got number 0");
}

TEST_CASE("a pair comes back with its state, or stays detached", "[detached]") {
  PairBuffers<float> pair(6, 5, 2, 1.0, 1), twin(6, 5, 2, 1.0, 1), wide(6, 8, 2, 1.0, 1);
  AdamWOptimizer optimizer, undisturbed;
  const PairId id = optimizer.attach(pair.view(), {}, "query");
  undisturbed.attach(twin.view());
  const auto both = [&] {
    for (auto* buffers : {&pair, &twin}) {
      buffers->grad_A.setOnes();
      buffers->grad_B.setOnes();
    }
    (void)optimizer.step();
    (void)undisturbed.step();
  };
  both();
  auto detached = optimizer.detach(id);
  CHECK_THROWS_WITH(optimizer.attach(wide.view(), std::move(detached)),
                    "query: lora_A: expected (2, 5), got (2, 8)");
  CHECK_THROWS_AS(
      optimizer.attach(PairBuffers<lorapro::bfloat16>(6, 5, 2, 1.0, 1).view(), std::move(detached)),
      lorapro::ConfigError);
  optimizer.attach(pair.view(), std::move(detached));
  CHECK_THROWS_WITH(optimizer.attach(pair.view(), std::move(detached)),
                    "detached: expected a detached pair, got one that was attached again");
  both();
  CHECK(same_parameters(pair, twin));
}

TEST_CASE("what was detached goes to optimizers of its rule alone", "[detached]") {
  PairBuffers<float> pair(6, 5, 2, 1.0, 1);
  AdamWOptimizer optimizer, same;
  lorapro::Optimizer<float, lorapro::SgdRule> other;
  auto detached = optimizer.detach(optimizer.attach(pair.view()));
  CHECK_THROWS_WITH(other.attach(pair.view(), std::move(detached)),
                    "pair.0: detached: expected the state of sgd, got adamw");
  CHECK_NOTHROW(same.attach(pair.view(), std::move(detached)));
}

}  // namespace

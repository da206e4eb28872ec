// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/lora_pro_full_rule.hpp>
#include <lorapro/optim/optimizer.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::half;
using lorapro::OptimizerConfig;
using AdamW = lorapro::Optimizer<float, lorapro::AdamWRule>;
using Coarse = lorapro::LoraProOptimizer<float, lorapro::FullMoments<bfloat16>>;

TEMPLATE_TEST_CASE("tiny updates of a coarse model accumulate in its master", "[optimizer]",
                   bfloat16, half) {
  // Values 1 to 2 in steps of lr = 2^-14, far below half a unit in the last place.
  OptimizerConfig config;
  config.group.lr = 0x1.0p-14;
  PairBuffers<TestType> pair(5, 7, 2, 1.0, 1);
  TestType w[3] = {TestType(1.5F), TestType(1.0F), TestType(1.0F)};
  TestType g[3] = {TestType(1.0F), TestType(1.0F), TestType(-1.0F)};
  for (Index i = 0; i < pair.A.size(); ++i) pair.A.data()[i] = TestType(1.5F);
  for (Index i = 0; i < pair.grad_A.size(); ++i) pair.grad_A.data()[i] = TestType(3.0F);
  AdamW optimizer(config);
  optimizer.attach(pair.view(), {}, "pair");
  optimizer.attach(lorapro::DenseView<TestType>{w, g, 3}, {}, "dense");
  REQUIRE(optimizer.step().updated == 2);
  CHECK(static_cast<float>(pair.A(0, 0)) == 1.5F);  // one step alone is rounded away
  for (int t = 1; t < 512; ++t) REQUIRE(optimizer.step().updated == 2);
  const float moved = 512 * 0x1.0p-14F;
  for (Index i = 0; i < pair.A.size(); ++i)
    CHECK(static_cast<float>(pair.A.data()[i]) == Approx(1.5F - moved).margin(0.004));
  CHECK(static_cast<float>(w[0]) == Approx(1.5F - moved).margin(0.004));
  CHECK(static_cast<float>(w[2]) == Approx(1.0F + moved).margin(0.004));
  // The master is what counts, the model is its rounding.
  const Snapshot state = state_of(optimizer);
  const RealMatrix master = tensor_of<float>(state, "pair.master_A", 2, 7);
  for (Index i = 0; i < master.size(); ++i) {
    CHECK(std::abs(master.data()[i] - (1.5L - moved)) < 1e-5);
    CHECK(TestType(static_cast<float>(master.data()[i])) == pair.A.data()[i]);
  }
  CHECK(state.count("pair.master_B") == 1);
  CHECK(state.count("dense.master") == 1);
}

TEST_CASE("a coarse pair follows the float pair that its rounding starts from", "[optimizer]") {
  OptimizerConfig config;
  config.group.lr = 0.01;
  PairBuffers<bfloat16> coarse(24, 17, 3, 0.5, 1);
  lorapro::LoraProOptimizer<float, lorapro::FullMoments<>> optimizer(config);
  optimizer.attach(coarse.view(), {}, "pair");
  // The gradients belong to the rounded model; the master takes the step.
  Reference reference{Kind::lora_pro_full, config, 0.5, lorapro::storage_epsilon<bfloat16>()};
  Factors master = coarse.factors();
  for (std::uint64_t t = 0; t < 4; ++t) {
    CAPTURE(t);
    coarse.backpropagate(random_matrix(24, 17, t));
    const Factors before = coarse.factors();
    const Factors after = reference.update(before, coarse.gradients());
    master.A += after.A - before.A;
    master.B += after.B - before.B;
    REQUIRE(optimizer.step().updated == 1);
    const Snapshot state = state_of(optimizer);
    CHECK(max_abs(tensor_of<float>(state, "pair.master_A", 3, 17) - master.A) < 2e-5);
    CHECK(max_abs(tensor_of<float>(state, "pair.master_B", 24, 3) - master.B) < 2e-5);
    CHECK(same_bits(coarse.A, rounded<bfloat16>(tensor_of<float>(state, "pair.master_A", 3, 17))));
  }
}

TEST_CASE("masters survive detach and follow a changed model", "[optimizer]") {
  OptimizerConfig config;
  config.group.lr = 0x1.0p-14;
  PairBuffers<bfloat16> pair(5, 7, 2, 1.0, 1);
  for (Index i = 0; i < pair.A.size(); ++i) pair.A.data()[i] = bfloat16(1.5F);
  for (Index i = 0; i < pair.grad_A.size(); ++i) pair.grad_A.data()[i] = bfloat16(3.0F);
  AdamW optimizer(config);
  auto id = optimizer.attach(pair.view(), {}, "pair");
  for (int t = 0; t < 8; ++t) REQUIRE(optimizer.step().updated == 1);
  const Real kept = tensor_of<float>(state_of(optimizer), "pair.master_A", 2, 7)(0, 0);
  CHECK(kept == Approx(1.5 - 8 * 0x1.0p-14).epsilon(1e-6));
  PairBuffers<bfloat16> moved = pair;
  moved.A(1, 3) = bfloat16(-4.0F);
  optimizer.attach(moved.view(), optimizer.detach(id));
  const RealMatrix master = tensor_of<float>(state_of(optimizer), "pair.master_A", 2, 7);
  CHECK(master(0, 0) == kept);
  CHECK(master(1, 3) == -4);
}

TEMPLATE_TEST_CASE("a skipped coarse pair keeps model master and moments", "[optimizer]", bfloat16,
                   half) {
  PairBuffers<TestType> pair(24, 17, 3, 0.5, 1), other(6, 5, 2, 1.0, 2);
  Coarse optimizer;
  optimizer.attach(pair.view(), {}, "bad");
  optimizer.attach(other.view(), {}, "good");
  for (std::uint64_t t = 0; t < 3; ++t) {
    pair.backpropagate(random_matrix(24, 17, t));
    other.backpropagate(random_matrix(6, 5, t));
    REQUIRE(optimizer.step().updated == 2);
  }
  pair.grad_B(23, 2) = TestType(std::numeric_limits<float>::quiet_NaN());
  const PairBuffers<TestType> before = pair;
  const Snapshot state = state_of(optimizer);
  const auto report = optimizer.step();
  CHECK(report.updated == 1);
  CHECK(report.skipped_non_finite == 1);
  CHECK(same_parameters(pair, before));
  const Snapshot after = state_of(optimizer);
  CHECK(entries_of(after, "bad") == entries_of(state, "bad"));
  CHECK(entries_of(after, "good") != entries_of(state, "good"));
}

TEST_CASE("bfloat16 second moments decay", "[optimizer]") {
  // One large gradient, then none: the mean of v follows beta2^t. Each rounding adds a variance of
  // at most v^2 2^-16, so the mean of 2000 elements is within 5 sqrt(t / 2000) 2^-8 of it.
  OptimizerConfig config;
  config.group.lr = 0;
  PairBuffers<float> pair(40, 50, 3, 1.0, 1);
  Coarse optimizer(config);
  optimizer.attach(pair.view(), {}, "pair");
  pair.backpropagate(random_matrix(40, 50, 2, 100));
  REQUIRE(optimizer.step().updated == 1);
  const auto mean = [&] {
    const RealMatrix v = tensor_of<bfloat16>(state_of(optimizer), "pair.exp_avg_sq", 40, 50);
    Real sum = 0;
    for (Index i = 0; i < v.size(); ++i) sum += v.data()[i];
    return sum / v.size();
  };
  const Real start = mean();
  pair.grad_A.setZero();
  pair.grad_B.setZero();
  int steps = 0;
  for (const int until : {100, 1000, 3000}) {
    for (; steps < until; ++steps) REQUIRE(optimizer.step().updated == 1);
    CAPTURE(until);
    CHECK(static_cast<double>(mean() / start) ==
          Approx(std::pow(0.999, until)).epsilon(5 * std::sqrt(until / 2000.0) / 256 + 1e-3));
  }
  // Rounding to nearest gives every value back, for ever.
  for (int k = 0; k < 256; ++k) {
    const auto v = static_cast<bfloat16>(1 + static_cast<float>(k % 128) / 128);
    CHECK(static_cast<bfloat16>(0.999F * static_cast<float>(v)) == v);
  }
}

TEST_CASE("stochastic rounding depends on the seed the step and the pair", "[optimizer]") {
  const auto second_moments = [](std::uint64_t seed, int steps_before, bool as_second_pair) {
    OptimizerConfig config;
    config.seed = seed;
    config.group.lr = 0;
    config.beta2 = 0.5;
    PairBuffers<float> pair(40, 50, 3, 1.0, 1), other(3, 4, 1, 1.0, 2);
    Coarse optimizer(config);
    if (as_second_pair) optimizer.attach(other.view(), {}, "other");
    optimizer.attach(pair.view(), {}, "pair");
    for (int t = 0; t < steps_before; ++t) (void)optimizer.step();  // zero gradients: v stays 0
    pair.backpropagate(random_matrix(40, 50, 2));
    (void)optimizer.step();
    return state_of(optimizer).at("pair.exp_avg_sq");
  };
  const auto base = second_moments(0, 0, false);
  CHECK(second_moments(0, 0, false) == base);
  CHECK(second_moments(1, 0, false) != base);
  CHECK(second_moments(0, 1, false) != base);
  CHECK(second_moments(0, 0, true) != base);
  // About half of the elements differ by a unit in the last place; none by more.
  const auto other = second_moments(1, 0, false);
  int differing = 0;
  for (std::size_t i = 0; i < base.size(); i += 2) {
    std::uint16_t a = 0, b = 0;
    std::memcpy(&a, &base[i], 2);
    std::memcpy(&b, &other[i], 2);
    differing += a != b;
    if (!(std::abs(int(a) - int(b)) <= 1)) FAIL_CHECK(i);
  }
  CHECK(differing > 500);
  CHECK(differing < 1000);
}

TEST_CASE("bfloat16 moments resume with the same bits in the middle of a run", "[optimizer]") {
  OptimizerConfig config;
  config.seed = 5;
  PairBuffers<bfloat16> pair(24, 300, 3, 1.0, 1);
  Coarse whole(config);
  whole.attach(pair.view());
  const auto train = [](PairBuffers<bfloat16>& buffers, Coarse& optimizer, std::uint64_t from) {
    for (std::uint64_t t = from; t < from + 3; ++t) {
      buffers.backpropagate(random_matrix(24, 300, t));
      REQUIRE(optimizer.step().updated == 1);
    }
  };
  train(pair, whole, 0);
  const Snapshot state = state_of(whole);
  PairBuffers<bfloat16> copy = pair;
  train(pair, whole, 3);
  Coarse resumed(config);
  resumed.attach(copy.view());
  set_state(resumed, state);
  train(copy, resumed, 3);
  CHECK(same_parameters(pair, copy));
  CHECK(state_of(whole) == state_of(resumed));
  // The masters are part of it: a copy of the model alone has lost their lower bits.
  CHECK(state.count("pair.0.master_A") == 1);
}

}  // namespace

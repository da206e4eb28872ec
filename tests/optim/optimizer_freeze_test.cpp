// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

/// \file
/// Parameters that steps leave out.
#include <lorapro/lorapro.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::DenseId;
using lorapro::PairId;
using lorapro::StepReport;

/// Two pairs of one rank, which share a packet, and two dense parameters, all with moments.
template <typename Rule>
struct FrozenRun {
  explicit FrozenRun(lorapro::ClipNorm clip = lorapro::ClipNorm::adapter) {
    lorapro::OptimizerConfig config;
    config.group.lr = 1e-2;
    config.group.weight_decay = 0.1;
    config.group.clip_norm = clip;
    optimizer = std::make_unique<lorapro::Optimizer<float, Rule>>(config);
    for (auto& pair : pairs) pair_ids.push_back(optimizer->attach(pair.view()));
    for (std::size_t k = 0; k < 2; ++k)
      dense_ids.push_back(
          optimizer->attach(lorapro::DenseView<float>{values[k].data(), grads[k].data(), 5}));
  }
  /// The same gradients at the same t.
  StepReport step(std::uint64_t t) {
    for (std::uint64_t k = 0; k < 2; ++k) {
      pairs[k].backpropagate(random_matrix(6, 5, 100 + 2 * t + k));
      grads[k].setConstant(0.1F * static_cast<float>(t + 1));
    }
    return optimizer->step();
  }
  std::vector<PairBuffers<float>> pairs{{6, 5, 2, 1.0, 1}, {6, 5, 2, 1.0, 2}};
  RowMatrix<float> values[2] = {RowMatrix<float>::Ones(1, 5), RowMatrix<float>::Ones(1, 5)};
  RowMatrix<float> grads[2] = {RowMatrix<float>::Ones(1, 5), RowMatrix<float>::Ones(1, 5)};
  std::unique_ptr<lorapro::Optimizer<float, Rule>> optimizer;
  std::vector<PairId> pair_ids;
  std::vector<DenseId> dense_ids;
};

/// The state of the parameter of this name, as bits.
template <typename Optimizer>
std::vector<float> frozen_state(Optimizer& optimizer, const std::string& name) {
  std::vector<float> out;
  optimizer.visit([&](const std::string& entry, auto&& value) {
    if (entry.rfind(name + ".", 0) != 0) return;
    if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::int64_t>) {
      out.push_back(static_cast<float>(value));
    } else {
      const std::size_t first = out.size();
      out.resize(first + static_cast<std::size_t>(value.size()));
      value.read(out.data() + first);
    }
  });
  return out;
}

TEMPLATE_TEST_CASE(
    "what is frozen stays as it is, state and all, and goes on as if there had been no step",
    "[freeze]", lorapro::SgdRule, lorapro::AdamWRule, lorapro::MuonRule,
    lorapro::LoraPro<lorapro::NoMoments>, lorapro::LoraPro<lorapro::AdapterMoments>,
    lorapro::LoraPro<lorapro::FactoredMoments>, lorapro::LoraPro<lorapro::SpectralMoments>,
    lorapro::LoraPro<lorapro::FullMoments<float>>) {
  // One run in which the first pair and the first dense parameter are frozen for a while, one in
  // which these steps do not take place for them.
  FrozenRun<TestType> run(lorapro::ClipNorm::none), twin(lorapro::ClipNorm::none);
  for (std::uint64_t t = 0; t < 4; ++t) {
    (void)run.step(t);
    (void)twin.step(t);
  }
  run.optimizer->freeze(run.pair_ids[0]);
  run.optimizer->freeze(run.dense_ids[0]);
  CHECK(run.optimizer->frozen(run.pair_ids[0]));
  CHECK_FALSE(run.optimizer->frozen(run.pair_ids[1]));
  CHECK(run.optimizer->frozen(run.dense_ids[0]));
  const PairBuffers<float> pair = run.pairs[0];
  const RowMatrix<float> value = run.values[0];
  const auto state = frozen_state(*run.optimizer, "pair.0");
  const auto dense_state = frozen_state(*run.optimizer, "dense.0");
  for (std::uint64_t t = 10; t < 13; ++t) {
    const StepReport report = run.step(t);
    CHECK(report.updated == 2);
    CHECK(report.frozen == 2);
    CHECK(report.left_out == 0);
    CHECK(report.skipped_non_finite + report.skipped_overflow == 0);
  }
  CHECK(same_parameters(run.pairs[0], pair));
  CHECK(run.values[0] == value);
  CHECK(frozen_state(*run.optimizer, "pair.0") == state);
  CHECK(frozen_state(*run.optimizer, "dense.0") == dense_state);
  CHECK(run.optimizer->step_count(run.pair_ids[0]) == 4);
  CHECK(run.optimizer->step_count(run.dense_ids[0]) == 4);
  CHECK(run.optimizer->step_count(run.pair_ids[1]) == 7);

  run.optimizer->thaw(run.pair_ids[0]);
  run.optimizer->thaw(run.dense_ids[0]);
  for (std::uint64_t t = 20; t < 22; ++t) {
    CHECK(run.step(t).updated == 4);
    (void)twin.step(t);
    CHECK(same_parameters(run.pairs[0], twin.pairs[0]));
    CHECK(run.values[0] == twin.values[0]);
  }
}

TEST_CASE("left out is a parameter of one step alone", "[freeze]") {
  FrozenRun<lorapro::LoraPro<lorapro::SpectralMoments>> run;
  for (std::uint64_t t = 0; t < 3; ++t) (void)run.step(t);
  run.optimizer->leave_out(run.pair_ids[1]);
  run.optimizer->leave_out(run.dense_ids[1]);
  const PairBuffers<float> pair = run.pairs[1];
  const RowMatrix<float> value = run.values[1];
  // A step that throws does not count.
  lorapro::StepScale scale;
  scale.accumulated = 0;
  CHECK_THROWS_AS(run.optimizer->step(scale), lorapro::ConfigError);
  StepReport report = run.step(3);
  CHECK(report.updated == 2);
  CHECK(report.left_out == 2);
  CHECK(report.frozen == 0);
  CHECK(same_parameters(run.pairs[1], pair));
  CHECK(run.values[1] == value);
  report = run.step(4);
  CHECK(report.updated == 4);
  CHECK(report.left_out == 0);
  CHECK_FALSE(same_parameters(run.pairs[1], pair));

  // What is frozen and left out is frozen; thawed, it is not left out of a later step.
  run.optimizer->freeze(run.pair_ids[0]);
  run.optimizer->leave_out(run.pair_ids[0]);
  report = run.step(5);
  CHECK(report.frozen == 1);
  CHECK(report.left_out == 0);
  run.optimizer->thaw(run.pair_ids[0]);
  CHECK(run.step(6).updated == 4);
}

TEST_CASE("gradients of what is left out are not looked at", "[freeze]") {
  FrozenRun<lorapro::AdamWRule> run, without;
  for (std::uint64_t t = 0; t < 2; ++t) (void)run.step(t), (void)without.step(t);
  run.optimizer->freeze(run.pair_ids[0]);
  auto detached = without.optimizer->detach(without.pair_ids[0]);
  run.pairs[1].backpropagate(random_matrix(6, 5, 50));
  without.pairs[1].backpropagate(random_matrix(6, 5, 50));
  run.pairs[0].grad_A.setConstant(std::numeric_limits<float>::quiet_NaN());
  const StepReport report = run.optimizer->step(), expected = without.optimizer->step();
  CHECK(report.skipped_non_finite == 0);
  CHECK(report.grad_norm == expected.grad_norm);
  CHECK(report.clip_factor == expected.clip_factor);
  CHECK(same_parameters(run.pairs[1], without.pairs[1]));
}

TEST_CASE("a frozen pair does not decay W0", "[freeze]") {
  PairBuffers<float> pair(4, 3, 2, 1.0, 3);
  RowMatrix<float> W = RowMatrix<float>::Ones(4, 3);
  lorapro::OptimizerConfig config;
  config.group.lr = 0.5;
  config.group.weight_decay = 0.5;
  config.group.decay_target = lorapro::DecayTarget::merged;
  lorapro::LoraProOptimizer<float> optimizer(config);
  auto view = pair.view();
  view.base_weight = W.data();
  const PairId id = optimizer.attach(view);
  optimizer.freeze(id);
  CHECK(optimizer.step().frozen == 1);
  CHECK((W.array() == 1).all());
  optimizer.thaw(id);
  (void)optimizer.step();
  CHECK((W.array() == 0.75F).all());
}

TEST_CASE("a pair stays frozen while it is detached", "[freeze]") {
  FrozenRun<lorapro::AdamWRule> run;
  (void)run.step(0);
  run.optimizer->freeze(run.pair_ids[0]);
  auto detached = run.optimizer->detach(run.pair_ids[0]);
  CHECK_THROWS_AS(run.optimizer->freeze(run.pair_ids[0]), lorapro::StateError);
  CHECK_THROWS_AS(run.optimizer->leave_out(DenseId{7}), lorapro::StateError);
  const PairId again = run.optimizer->attach(run.pairs[0].view(), std::move(detached));
  CHECK(run.optimizer->frozen(again));
  CHECK(run.step(1).frozen == 1);
}

}  // namespace

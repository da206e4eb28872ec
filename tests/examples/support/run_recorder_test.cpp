// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/support/run_recorder.hpp"

#include <cmath>   // std::isnan
#include <limits>  // std::numeric_limits
#include <vector>  // std::vector

#include "support/catch.hpp"

namespace {

struct Report {
  int skipped_non_finite = 0;
};

struct CountingOptimizer {
  int steps = 0, zeroed = 0;
  Report step() {
    ++steps;
    return {0};
  }
  void zero_grad() { ++zeroed; }
};

struct NoModel {
  template <typename Visitor>
  void for_each_layer(const std::string&, const Visitor&) {}
};

TEST_CASE("a recorder averages the losses of a point and of the last epoch", "[run_recorder]") {
  examples::ProgressBar bar(64);
  examples::RunRecorder recorder({"method", 0.5, 7, {}}, 64, 16, bar);
  CountingOptimizer optimizer;
  for (int t = 1; t <= 64; ++t) {
    recorder.update(optimizer);
    CHECK(recorder.after_step(t) == t);
  }
  recorder.run().value = 3;
  const examples::Run run = recorder.finish();
  CHECK(optimizer.steps == 64);
  CHECK(optimizer.zeroed == 64);
  CHECK(run.key.method == "method");
  CHECK(run.key.seed == 7);
  CHECK(run.value == 3);
  REQUIRE(run.loss_curve.size() == 32);  // 32 points of two steps
  CHECK(run.loss_curve.front() == std::pair<std::int64_t, double>(2, 1.5));
  CHECK(run.loss_curve.back() == std::pair<std::int64_t, double>(64, 63.5));
  CHECK(run.final_loss == Approx(56.5));  // the mean of 49 to 64
  CHECK(run.seconds >= 0);
  CHECK(run.optimizer_ms_per_step >= 0);
}

TEST_CASE("adapters start anew every few steps", "[run_recorder]") {
  examples::ProgressBar bar(10);
  examples::RunRecorder recorder({"method", 0.5, 7, {}}, 10, 1, bar);
  examples::AlignedRestart::Layer layer(3, 4);
  lorapro::LoraConfig config;
  config.rank = 1;
  layer.attach_adapter(config);
  CountingOptimizer optimizer;
  std::vector<int> restarts;  // steps before each
  recorder.refresh(4, {&layer}, [&] { restarts.push_back(optimizer.steps); });
  for (int t = 1; t <= 10; ++t) {
    CHECK(layer.watches_weight_gradient() == (t == 5 || t == 9));
    layer.adapter()->lora_B().setOnes();
    recorder.update(optimizer);
    CHECK((layer.adapter()->lora_B().norm() == 0) == (t == 5 || t == 9));
    recorder.after_step(1);
  }
  CHECK(restarts == std::vector<int>{4, 8});
}

TEST_CASE("what changes during a run changes before each step", "[run_recorder]") {
  examples::ProgressBar bar(5);
  examples::RunRecorder recorder({"method", 0.5, 7, {}}, 5, 1, bar);
  CountingOptimizer optimizer;
  std::vector<double> parts;
  recorder.before_each_step([&](double part) {
    CHECK(optimizer.steps == static_cast<int>(parts.size()));
    parts.push_back(part);
  });
  for (int t = 1; t <= 5; ++t) {
    recorder.update(optimizer);
    recorder.after_step(1);
  }
  CHECK(parts == std::vector<double>{0, 0.25, 0.5, 0.75, 1});
}

TEST_CASE("a damping falls to that of the last step", "[run_recorder]") {
  constexpr auto kMethod = examples::Method::lora_pro_spectral;
  examples::RunOptions options;
  options.dampings[kMethod] = 0.3;
  CHECK(options.damping(kMethod, 0.5) == 0.3);
  options.final_damping = 0.1;
  const auto made = examples::make_optimizer(kMethod, options.optimizer_config(kMethod, 1e-3, 3));
  examples::MethodOptimizer& optimizer = *made;
  optimizer.add_group({2e-3});
  NoModel model;
  examples::ProgressBar bar(3);
  examples::RunRecorder recorder({"method", 1e-3, 7, {}}, 3, 1, bar);
  CHECK(examples::start_run(recorder, optimizer, model, options, kMethod) == 0);
  for (const double expected : {0.3, 0.2, 0.1}) {
    recorder.update(optimizer);
    recorder.after_step(1);
    CHECK(optimizer.config().damping == Approx(expected));
  }
  CHECK(optimizer.groups().at(0).lr == 1e-3);
  CHECK(optimizer.groups().at(1).lr == 2e-3);
}

TEST_CASE("a loss that has diverged is not a number", "[run_recorder]") {
  examples::ProgressBar bar(2);
  examples::RunRecorder recorder({"method", 0.5, 7, {}}, 2, 1, bar);
  recorder.after_step(1);
  recorder.after_step(std::numeric_limits<double>::infinity());
  CHECK(std::isnan(recorder.finish().final_loss));
}

}  // namespace

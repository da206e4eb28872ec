// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/support/run_checkpoint.hpp"

#include <lorapro/lorapro.hpp>

#include "examples/support/run_recorder.hpp"
#include "support/catch.hpp"
#include "support/scratch_folder.hpp"

namespace {

using examples::RunCheckpoint;

const examples::RunKey kKey{"method", 0.1, 7, {{"rank", 3}, {"alpha", 16}}};

/// A training of four numbers towards 1, with a curve of a metric.
struct Training {
  std::vector<float> value = std::vector<float>(4), grad = std::vector<float>(4);
  std::unique_ptr<examples::MethodOptimizer> made =
      examples::make_optimizer(examples::Method::full_adamw, {});
  examples::MethodOptimizer& optimizer = *made;
  examples::ProgressBar bar{10};
  examples::RunRecorder recorder;

  explicit Training(const RunCheckpoint* checkpoint) : recorder(kKey, 10, 5, bar, checkpoint) {
    optimizer.attach(lorapro::DenseView<float>{value.data(), grad.data(), 4}, {}, "values");
    recorder.run().trainable_parameters = 4;
  }

  void train(std::int64_t first, std::int64_t last) {
    for (std::int64_t step = first; step < last; ++step) {
      double loss = 0;
      for (std::size_t i = 0; i < 4; ++i) {
        grad[i] = value[i] - 1;
        loss += grad[i] * grad[i] / 3;
      }
      recorder.update(optimizer);
      const auto done = recorder.after_step(loss);
      if (done % 3 == 0) recorder.run().metric_curve.emplace_back(done, loss / 7);
    }
  }
};

nlohmann::ordered_json without_times(examples::Run run) {
  run.seconds = run.optimizer_ms_per_step = 0;
  return to_json(run, "metric");
}

TEST_CASE("a run goes on from its checkpoint with the same record", "[example_support]") {
  const ScratchFolder folder;
  const auto path = folder.path() / "new" / "run.checkpoint";
  Training whole(nullptr);
  CHECK(whole.recorder.start(whole.optimizer) == 0);
  whole.train(0, 10);
  const auto expected = without_times(whole.recorder.finish());

  for (const std::int64_t stop : {1, 4, 6, 7, 10}) {
    const RunCheckpoint writing({path, 3, false}), reading({path, 3, true});
    Training first(&writing);
    CHECK(first.recorder.start(first.optimizer) == 0);
    first.train(0, stop);
    const bool saved = stop > 3;
    CHECK(std::filesystem::exists(path) == saved);
    Training second(&reading);
    // What belongs to a step, a point of the metric, is done before the next one is saved.
    const std::int64_t done = second.recorder.start(second.optimizer);
    CHECK(done == (stop - 1) / 3 * 3);
    second.train(done, 10);
    CHECK(second.value == whole.value);
    CHECK(without_times(second.recorder.finish()) == expected);
    reading.remove();
    CHECK_FALSE(std::filesystem::exists(path));
  }
}

TEST_CASE("only the run of the checkpoint is taken up, and on request only", "[example_support]") {
  const ScratchFolder folder;
  const auto path = folder.path() / "run.checkpoint";
  const RunCheckpoint writing({path, 1, false}), reading({path, 0, true});
  CHECK_FALSE(reading.key());
  Training training(&writing);
  REQUIRE(training.recorder.start(training.optimizer) == 0);
  training.train(0, 3);
  CHECK_FALSE(writing.key());
  REQUIRE(reading.key());
  CHECK(*reading.key() == kKey);
  examples::RunKey other = kKey;
  other.options["alpha"] = 4;
  CHECK_FALSE(reading.load(other, training.optimizer));
  CHECK(training.optimizer.step_count() == 3);
  CHECK(reading.load(kKey, training.optimizer));
  CHECK(training.optimizer.step_count() == 2);
  CHECK_FALSE(RunCheckpoint({path, 0, true}).due(1));
  CHECK(writing.due(1));
}

TEST_CASE("a file that is no checkpoint of a run is refused", "[example_support]") {
  const ScratchFolder folder;
  const auto path = folder.write("run.checkpoint", "x");
  const RunCheckpoint reading({path, 0, true});
  CHECK_THROWS_AS(reading.key(), lorapro::FormatError);
  lorapro::io::CheckpointWriter().write(path);
  CHECK_THROWS_AS(reading.key(), lorapro::FormatError);
  lorapro::io::CheckpointWriter broken;
  broken.set("key", "[1]");
  broken.write(path);
  CHECK_THROWS_AS(reading.key(), lorapro::FormatError);
}

}  // namespace

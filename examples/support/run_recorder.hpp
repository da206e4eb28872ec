// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>  // std::max
#include <chrono>
#include <cmath>  // std::isfinite
#include <cstdint>
#include <fmt/format.h>
#include <functional>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "aligned_restart.hpp"
#include "progress_bar.hpp"
#include "run_checkpoint.hpp"
#include "step_measurements.hpp"

namespace examples {

/// Watches a fine-tuning and fills in its Run: how long it and its optimizer took, the curve of the
/// loss, and the loss of the last epoch. The metric is the caller's. Keeps the state of both in a
/// checkpoint, from which an interrupted run goes on with the same bits.
class RunRecorder {
 public:
  /// \param checkpoint  null for none.
  RunRecorder(RunKey key, std::int64_t steps, std::int64_t steps_per_epoch, ProgressBar& bar,
              const RunCheckpoint* checkpoint = nullptr)
      : steps_(steps), steps_per_epoch_(steps_per_epoch), bar_(bar), checkpoint_(checkpoint) {
    run_.key = std::move(key);
  }

  Run& run() { return run_; }

  /// Takes the run up where its checkpoint has it. To be called before the first step, when all is
  /// attached. \return how many steps are done: these are to be left out.
  std::int64_t start(MethodOptimizer& optimizer);

  /// Has the adapters of these layers start from the first batch. To be called before it.
  void align(const std::vector<AlignedRestart::Layer*>& layers) { init_.emplace(layers); }

  /// Has them start anew, from the batch that comes, after every so many steps; `restart` does the
  /// optimizer's part.
  void refresh(std::int64_t every, std::vector<AlignedRestart::Layer*> layers,
               std::function<void()> restart) {
    refresh_every_ = every;
    refreshed_ = std::move(layers);
    restart_ = std::move(restart);
  }

  /// Has change(part) called before every step: 0 before the first, 1 before the last.
  void before_each_step(std::function<void(double)> change) { change_ = std::move(change); }

  /// Has some steps measured. To be called before the first one.
  void watch(StepMeasurements measurements) {
    measurements_.emplace(std::move(measurements));
    if (measured()) measurements_->watch();
  }

  /// One step of the optimizer, timed, by gradients that are zeroed then.
  template <typename Optimizer>
  void update(Optimizer& optimizer) {
    // Here the caller has done all that belongs to the last step.
    if (save_ && step_ > started_at_ && checkpoint_->due(step_)) save_();
    if (init_) {
      init_->apply();
      init_.reset();
      if (step_ > 0) restart_();
    }
    if (change_) {
      change_(static_cast<double>(step_) /
              static_cast<double>(std::max<std::int64_t>(steps_ - 1, 1)));
    }
    const bool measured = measurements_ && this->measured();
    if (measured) measurements_->before_step();
    const auto before = Clock::now();
    const auto report = optimizer.step();
    in_optimizer_ += Clock::now() - before;
    skipped_ += report.skipped_non_finite;
    if (measured) measurements_->after_step(step_ + 1, run_.step_curves);
    optimizer.zero_grad();
  }

  /// The training loss of the step that was just done. \return its number, from 1.
  std::int64_t after_step(double loss);

  /// Updates that were left out because their gradients were not finite.
  std::int64_t skipped() const { return skipped_; }

  /// To be called last, once the metric is measured.
  Run finish();

 private:
  using Clock = std::chrono::steady_clock;

  /// Whether the step under way is one of the about eight that are measured.
  bool measured() const { return step_ % std::max<std::int64_t>(steps_ / 8, 1) == 0; }

  nlohmann::json progress() const;

  Run run_;
  std::int64_t steps_;
  std::int64_t steps_per_epoch_;
  ProgressBar& bar_;
  const RunCheckpoint* checkpoint_;
  std::function<void()> save_;
  std::int64_t started_at_ = 0;
  std::optional<AlignedRestart> init_;
  std::int64_t refresh_every_ = 0;
  std::vector<AlignedRestart::Layer*> refreshed_;
  std::function<void()> restart_;
  std::function<void(double)> change_;
  std::optional<StepMeasurements> measurements_;
  std::int64_t step_ = 0;
  std::int64_t skipped_ = 0;
  double loss_since_point_ = 0.0;
  Clock::duration in_optimizer_{};
  Clock::time_point start_ = Clock::now();
};

/// Starts or takes up a fine-tuning of `model` by what `options` say besides the optimizer's part.
/// To be called when all is attached. \return how many steps are done: these are to be left out.
template <typename Model>
std::int64_t start_run(RunRecorder& recorder, MethodOptimizer& optimizer, Model& model,
                       const RunOptions& options, Method method) {
  const std::int64_t done = recorder.start(optimizer);
  if (options.measure_steps) recorder.watch(step_measurements(model, options, method));
  if (info(method).trains_adapters) {
    if (done == 0 && options.align_init) recorder.align(nn::trained_linears(model));
    if (options.refresh_every > 0) {
      recorder.refresh(options.refresh_every, nn::trained_linears(model), [&optimizer, method] {
        // Full moments are those of the whole weight, which a new A and B leave as it is.
        if (method != Method::lora_pro_full) optimizer.reset_pairs();
      });
    }
    if (options.final_damping) {
      recorder.before_each_step([&optimizer, &options, method](double part) {
        lorapro::OptimizerConfig config = optimizer.config();
        config.damping = options.damping(method, part);
        optimizer.set_config(config, optimizer.groups());
      });
    }
  }
  return done;
}

}  // namespace examples

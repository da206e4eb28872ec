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

#include "gradient_aligned_init.hpp"
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
  std::int64_t start(MethodOptimizer& optimizer) {
    if (checkpoint_ == nullptr) return 0;
    save_ = [this, &optimizer] { checkpoint_->save(run_.key, progress(), optimizer); };
    const std::optional<nlohmann::json> saved = checkpoint_->load(run_.key, optimizer);
    if (!saved) return 0;
    run_ = run_from_json(saved->at("run"), "metric");
    step_ = saved->at("step");
    skipped_ = saved->at("skipped");
    loss_since_point_ = detail::number_or_nan(saved->at("loss_since_point"));
    in_optimizer_ = Clock::duration(saved->at("in_optimizer").get<Clock::rep>());
    start_ -= Clock::duration(saved->at("elapsed").get<Clock::rep>());
    started_at_ = step_;
    bar_.skip(step_);
    bar_.print(fmt::format("goes on after step {} ({})", step_, checkpoint_->path().string()));
    return step_;
  }

  /// Has the adapters of these layers start from the first batch. To be called before it.
  void align(const std::vector<GradientAlignedInit::Layer*>& layers) { init_.emplace(layers); }

  /// Has them start anew, from the batch that comes, after every so many steps; `restart` does the
  /// optimizer's part.
  void refresh(std::int64_t every, std::vector<GradientAlignedInit::Layer*> layers,
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
  std::int64_t after_step(double loss) {
    ++step_;
    bar_.advance(loss);
    // The loss of single batches is noisy: a point of the curve is the mean over some of them.
    const std::int64_t steps_per_point = std::max<std::int64_t>(steps_ / 32, 1);
    loss_since_point_ += loss;
    if (step_ % steps_per_point == 0) {
      run_.loss_curve.emplace_back(step_, loss_since_point_ / static_cast<double>(steps_per_point));
      loss_since_point_ = 0.0;
    }
    if (step_ > steps_ - steps_per_epoch_) {
      run_.final_loss += loss / static_cast<double>(steps_per_epoch_);
    }
    if (measurements_ && measured()) measurements_->watch();
    if (refresh_every_ > 0 && step_ % refresh_every_ == 0 && step_ < steps_) {
      init_.emplace(refreshed_);
    }
    return step_;
  }

  /// Updates that were left out because their gradients were not finite.
  std::int64_t skipped() const { return skipped_; }

  /// To be called last, once the metric is measured.
  Run finish() {
    if (skipped_ > 0) {
      bar_.print(fmt::format("{} updates skipped: their gradients were not finite", skipped_));
    }
    // All that results.json can hold of a loss that has diverged.
    if (!std::isfinite(run_.final_loss)) {
      run_.final_loss = std::numeric_limits<double>::quiet_NaN();
    }
    run_.optimizer_ms_per_step = std::chrono::duration<double, std::milli>(in_optimizer_).count() /
                                 static_cast<double>(steps_);
    run_.seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    return std::move(run_);
  }

 private:
  using Clock = std::chrono::steady_clock;

  /// Whether the step under way is one of the about eight that are measured.
  bool measured() const { return step_ % std::max<std::int64_t>(steps_ / 8, 1) == 0; }

  nlohmann::json progress() const {
    return {{"run", to_json(run_, "metric")},
            {"step", step_},
            {"skipped", skipped_},
            {"loss_since_point", loss_since_point_},
            {"in_optimizer", in_optimizer_.count()},
            {"elapsed", (Clock::now() - start_).count()}};
  }

  Run run_;
  std::int64_t steps_;
  std::int64_t steps_per_epoch_;
  ProgressBar& bar_;
  const RunCheckpoint* checkpoint_;
  std::function<void()> save_;
  std::int64_t started_at_ = 0;
  std::optional<GradientAlignedInit> init_;
  std::int64_t refresh_every_ = 0;
  std::vector<GradientAlignedInit::Layer*> refreshed_;
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

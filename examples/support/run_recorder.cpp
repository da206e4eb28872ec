// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "run_recorder.hpp"

namespace examples {

std::int64_t RunRecorder::start(MethodOptimizer& optimizer) {
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

std::int64_t RunRecorder::after_step(double loss) {
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

Run RunRecorder::finish() {
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

nlohmann::json RunRecorder::progress() const {
  return {{"run", to_json(run_, "metric")},
          {"step", step_},
          {"skipped", skipped_},
          {"loss_since_point", loss_since_point_},
          {"in_optimizer", in_optimizer_.count()},
          {"elapsed", (Clock::now() - start_).count()}};
}

}  // namespace examples

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "pretraining.hpp"

#include <chrono>
#include <fmt/format.h>
#include <stdexcept>

#include "program.hpp"
#include "run_options.hpp"

namespace examples {

namespace {

CheckpointOptions kept(const PretrainingOptions& options, std::int64_t every) {
  CheckpointOptions result = options.checkpoint;
  if (result.file.empty()) result.file = options.output.string() + ".checkpoint";
  if (result.every == 0) result.every = every;
  if (std::filesystem::exists(result.file) && !result.resume && !options.fresh) {
    throw UsageError("--resume", result.file.string() +
                                     " is there: --resume goes on from it, --fresh begins anew");
  }
  return result;
}

}  // namespace

void add_pretraining_options(CLI::App& app, const std::string& seeded,
                             const std::string& checkpoint, PretrainingOptions& options) {
  app.add_option("--lr", options.learning_rate, "Learning rate of AdamW")
      ->check(in_range(1e-9, 1))
      ->capture_default_str();
  app.add_option("--weight-decay", options.weight_decay, "Decoupled weight decay")
      ->check(in_range(0, 10))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "Of " + seeded)->capture_default_str();
  app.add_option("--threads", options.threads, "Threads; 0 for all cores")
      ->check(in_range(0, 1024))
      ->capture_default_str();
  app.add_option("--cache", options.cache, "Folder of the data that text.sh has fetched")
      ->type_name("DIR")
      ->capture_default_str();
  auto* const fresh =
      app.add_flag("--fresh", options.fresh, "Begin anew, even if there is a checkpoint");
  add_checkpoint_options(app, options.checkpoint, checkpoint)->excludes(fresh);
}

Pretraining::Pretraining(const PretrainingOptions& options, const std::string& recipe,
                         std::int64_t steps, std::int64_t evaluate_every)
    : output_(options.output),
      checkpoint_(kept(options, evaluate_every)),
      key_(pretraining_key(recipe)),
      steps_(steps),
      evaluate_every_(evaluate_every) {
  if (const auto saved = checkpoint_.key(); saved && !(*saved == key_))
    throw UsageError("--resume", checkpoint_.path().string() + " is of another training");
  lorapro::OptimizerConfig config;
  config.group.lr = options.learning_rate;
  config.group.weight_decay = options.weight_decay;
  config.group.max_grad_norm = 1.0;
  config.schedule = lorapro::LrSchedule::linear(steps / 20, steps);
  config.threads = options.threads;
  optimizer_ = make_optimizer(Method::full_adamw, config);
}

void Pretraining::run(std::int64_t end, const std::function<double(std::int64_t)>& gradients,
                      const std::function<std::string()>& evaluate) {
  ProgressBar bar(steps_);
  bar.set_label("pretraining");
  RunRecorder recorder(key_, steps_, steps_, bar, &checkpoint_);
  const std::int64_t first = recorder.start(*optimizer_);
  using Clock = std::chrono::steady_clock;
  Clock::duration in_steps{};
  for (std::int64_t step = first; step < end; ++step) {
    const auto start = Clock::now();
    const double loss = gradients(step);
    recorder.update(*optimizer_);
    if (recorder.skipped() > 0)
      throw std::runtime_error("the training has diverged: take a lower learning rate");
    in_steps += Clock::now() - start;
    const std::int64_t done = recorder.after_step(loss);
    if (done % evaluate_every_ == 0 && done < end)
      bar.print(fmt::format("step {}: {}", done, evaluate()));
  }
  if (first < end) {
    fmt::print("{:.3f} s per step\n",
               std::chrono::duration<double>(in_steps).count() / static_cast<double>(end - first));
  }
}

void Pretraining::finish() {
  checkpoint_.remove();
  fmt::print("written to {}\n", output_.string());
}

}  // namespace examples

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "gpt_fine_tuning.hpp"

namespace examples {

void add_gpt_options(CLI::App& app, GptOptions& options) {
  app.add_option("--model", options.model,
                 options.model.empty() ? "The base [default: pretrained in the first run]"
                                       : "The pretrained GPT, a file of pretrain_gpt")
      ->type_name("FILE")
      ->capture_default_str();
  app.add_option("--batch-size", options.batch_size, "Examples per step")
      ->check(in_range(1, 1e4))
      ->capture_default_str();
  app.add_flag("--validation", options.validation,
               "Measure the first metric alone, on validation data: to choose options by");
  app.add_flag("--skip-base", options.skip_base, "Do not measure the model before fine-tuning");
  app.add_flag("--smoke", options.smoke,
               "All methods on a built-in text and a tiny model, in a few seconds");
}

std::int64_t steps_per_run(const GptOptions& options) {
  return std::max<std::int64_t>(options.train_size / options.batch_size, 1) * options.epochs;
}

namespace detail {

Run fine_tune(nn::Gpt<float>& gpt, const TextTask& task, const GptOptions& options,
              const RunRequest& request, ProgressBar& bar) {
  RandomEngine engine(request.key.seed);
  auto chosen = permutation(static_cast<Eigen::Index>(task.training.size()), engine);
  chosen.resize(static_cast<std::size_t>(options.train_size));

  const std::int64_t steps = steps_per_run(options);
  const auto made = make_optimizer(
      request.method, options.optimizer_config(request.method, request.key.learning_rate, steps));
  MethodOptimizer& optimizer = *made;
  const std::int64_t last_epoch = steps / options.epochs;
  RunRecorder recorder(request.key, steps, last_epoch, bar, request.checkpoint);
  Run& run = recorder.run();
  run.trainable_parameters = attach_to(optimizer, gpt);
  run.optimizer_state_bytes = static_cast<std::int64_t>(optimizer.state_bytes());

  const std::int64_t steps_per_metric = std::max<std::int64_t>(steps / 5, 1);
  const std::int64_t first_step = start_run(recorder, optimizer, gpt, options, request.method);
  const auto add_to_curve = [&](std::int64_t step) {
    if (options.value_only) return;
    run.metric_curve.emplace_back(step, task.quick_metric(gpt));
  };
  if (first_step == 0) add_to_curve(0);
  for (int epoch = 0; epoch < options.epochs; ++epoch) {
    const auto order = permutation(static_cast<Eigen::Index>(chosen.size()), engine);
    for (std::int64_t i = 0; i < last_epoch; ++i) {
      if (epoch * last_epoch + i < first_step) continue;
      std::vector<nn::LabelledTokens> examples;
      for (lorapro::Index k = 0; k < options.batch_size; ++k) {
        const auto place = static_cast<std::size_t>(i * options.batch_size + k) % order.size();
        const auto which = static_cast<std::size_t>(order[place]);
        examples.push_back(task.training[static_cast<std::size_t>(chosen[which])]);
      }
      const auto batch = nn::make_batch(examples);
      const double loss = gpt.loss_and_gradients(batch.tokens, batch.sequences, batch.labels);
      recorder.update(optimizer);
      const std::int64_t step = recorder.after_step(loss);
      if (step % steps_per_metric == 0) add_to_curve(step);
    }
  }
  task.measure(gpt, run);
  return recorder.finish();
}

}  // namespace detail

Run fine_tune_gpt(const GptBase& base, const TextTask& task, const GptOptions& options,
                  const RunRequest& request, ProgressBar& bar) {
  auto gpt = base.make();
  const bool trains_adapters = info(request.method).trains_adapters;
  if (trains_adapters) {
    nn::attach_adapters(gpt, [&](std::size_t layer) {
      return options.lora_config(request.method, request.key, layer);
    });
  }
  const Run run = detail::fine_tune(gpt, task, options, request, bar);
  if (request.key.seed == 0 && !options.validation) {
    for (const auto& line : task.samples(gpt)) bar.print(printable(line));
  }
  return run;
}

namespace {

/// What the base does without fine-tuning.
void show_base(const Task& named, const GptBase& base, const TextTask& task,
               const GptOptions& options) {
  Run untouched;
  auto gpt = base.make();
  task.measure(gpt, untouched);
  fmt::print("before fine-tuning: {} {:.4f}", named.metric, untouched.value);
  for (const auto& [name, value] : untouched.further_metrics) {
    fmt::print(", {} {:.4f}", name, value);
  }
  fmt::print("\n");
  if (!options.validation) {
    for (const auto& line : task.samples(gpt)) fmt::print("{}\n", printable(line));
  }
}

}  // namespace

void compare_on_text(const Task& named, const std::string& title, const GptBase& base,
                     const TextTask& task, const GptOptions& options, nlohmann::json own_options) {
  if (options.train_size > static_cast<lorapro::Index>(task.training.size())) {
    throw UsageError("--train-size",
                     fmt::format("there are only {} training examples", task.training.size()));
  }
  if (options.batch_size > options.train_size) {
    throw UsageError("--batch-size", "is larger than --train-size");
  }
  fmt::print("base: {}\n", base.description());
  if (!options.skip_base && !options.value_only) show_base(named, base, task, options);

  own_options["model"] = options.smoke ? "random" : options.model.filename().string();
  own_options["batch_size"] = options.batch_size;
  own_options["split"] = options.validation ? "validation" : "test";
  run_experiment(named, title, options, own_options, steps_per_run(options),
                 [&](const RunRequest& request, ProgressBar& bar) {
                   return fine_tune_gpt(base, task, options, request, bar);
                 });
}

}  // namespace examples

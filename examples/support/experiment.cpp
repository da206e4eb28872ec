// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "experiment.hpp"

namespace examples {

nlohmann::json recorded_options(const RunOptions& options, Method method) {
  return {{"rank", options.rank},
          {"alpha", options.lora_alpha},
          {"rslora", options.lora_config(method, 0, 0).use_rslora},
          {"damping", options.damping(method)},
          {"final_damping", options.damping(method, 1)},
          {"max_relative_move", options.relative_move(method)},
          {"gauge", gauge_name(options.gauge)},
          {"init", init_name(options.init)},
          {"align_init", options.align_init},
          {"refresh_every", options.refresh_every},
          {"loraplus_lr_ratio", options.lr_ratio(method)},
          {"weight_decay", options.weight_decay},
          {"epochs", options.epochs},
          {"train_size", options.train_size},
          {"threads", options.threads},
          {"library_version", fmt::format("{}.{}.{}", LORAPRO_VERSION_MAJOR, LORAPRO_VERSION_MINOR,
                                          LORAPRO_VERSION_PATCH)}};
}

void run_experiment(const Task& task, const std::string& title, const RunOptions& options,
                    const nlohmann::json& own_options, std::int64_t steps_per_run,
                    const TrainFunction& train) {
  Results results(task, options.output, options.fresh);
  const RunCheckpoint checkpoint = options.run_checkpoint();
  std::vector<RunRequest> requests;
  for (const Method method : options.methods) {
    nlohmann::json recorded = recorded_options(options, method);
    recorded.update(own_options);
    for (const double learning_rate : options.learning_rates.at(method)) {
      for (int seed = 0; seed < options.seeds; ++seed) {
        requests.push_back({method,
                            {std::string(info(method).name), learning_rate,
                             options.first_seed + static_cast<std::uint64_t>(seed), recorded},
                            &checkpoint});
      }
    }
  }
  if (const auto key = checkpoint.key()) {
    const bool known = std::any_of(requests.begin(), requests.end(),
                                   [&](const RunRequest& request) { return request.key == *key; });
    if (!known) {
      throw UsageError("--resume", checkpoint.path().string() + " is of another comparison");
    }
  }
  std::int64_t reused = 0;
  for (const auto& request : requests) reused += results.find(request.key) != nullptr ? 1 : 0;
  std::fflush(stdout);  // what was printed so far belongs before the progress
  ProgressBar bar((static_cast<std::int64_t>(requests.size()) - reused) * steps_per_run);
  if (reused > 0) {
    bar.print(fmt::format("{} {} taken from {} (--fresh does them again)", reused,
                          reused == 1 ? "run" : "runs", results.json_path().string()));
  }
  for (const auto& request : requests) {
    if (results.find(request.key) != nullptr) continue;
    bar.set_label(fmt::format("{} lr {:g} seed {}", request.key.method, request.key.learning_rate,
                              request.key.seed));
    Run run = train(request, bar);
    bar.print(fmt::format("{} lr {:g} seed {}: {} {:.4f}, loss {:.4f}, {:.1f} s", run.key.method,
                          run.key.learning_rate, run.key.seed, task.metric, run.value,
                          run.final_loss, run.seconds));
    results.add(std::move(run));
    checkpoint.remove();
  }

  std::vector<const Run*> runs;
  for (const auto& request : requests) runs.push_back(results.find(request.key));
  const auto groups = group_runs(runs);
  fmt::print("{}", results_table(task, groups));

  std::vector<PlotSeries> series;
  for (const auto& group : groups) {
    const Method method = *method_named(group.method);
    const bool several_rates = options.learning_rates.at(method).size() > 1;
    // A method keeps its color; its learning rates differ in the dashes.
    const bool continues = !series.empty() && series.back().color == info(method).color;
    series.push_back(
        {several_rates ? fmt::format("{} {:g}", group.method, group.learning_rate) : group.method,
         std::string(info(method).color), continues ? series.back().dash + 1 : 1,
         group.mean_curve(&Run::loss_curve), group.mean_curve(&Run::metric_curve)});
  }
  const std::string problem =
      plot_curves(options.output, title + ", " + options.seeds_text(), task.metric, series);
  if (!problem.empty()) fmt::print(stderr, "no picture of the curves: {}\n", problem);
  fmt::print("written to {}: results.json, results.csv{}\n", options.output.string(),
             problem.empty() ? ", curves.svg, curves.png" : "");
}

}  // namespace examples

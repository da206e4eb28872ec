// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "experiment.hpp"

namespace examples {

nlohmann::json recorded_options(const RunOptions& options, Method method,
                                std::optional<double> alpha) {
  nlohmann::json recorded{
      {"rank", options.rank},
      {"rslora", options.scales_by_root_of_rank(method)},
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
  if (alpha) recorded["alpha"] = *alpha;
  return recorded;
}

namespace detail {

/// "lora_adamw lr 0.01 alpha 4", with alpha where the method has several.
std::string name_of(const RunOptions& options, const RunKey& key) {
  const bool several_alphas = options.alphas_of(*method_named(key.method)).size() > 1;
  return fmt::format("{} lr {:g}{}", key.method, key.learning_rate,
                     several_alphas ? fmt::format(" alpha {:g}", *key.alpha()) : "");
}

}  // namespace detail

void run_experiment(const Task& task, const std::string& title, const RunOptions& options,
                    const nlohmann::json& own_options, std::int64_t steps_per_run,
                    const TrainFunction& train) {
  Results results(task, options.output, options.fresh);
  const RunCheckpoint checkpoint = options.run_checkpoint();
  std::vector<RunRequest> requests;
  for (const Method method : options.methods) {
    for (const double learning_rate : options.learning_rates.at(method)) {
      for (const auto alpha : options.alphas_of(method)) {
        nlohmann::json recorded = recorded_options(options, method, alpha);
        recorded.update(own_options);
        for (int seed = 0; seed < options.seeds; ++seed) {
          requests.push_back({method,
                              {std::string(info(method).name), learning_rate,
                               options.first_seed + static_cast<std::uint64_t>(seed), recorded},
                              &checkpoint});
        }
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
    const std::string name =
        fmt::format("{} seed {}", detail::name_of(options, request.key), request.key.seed);
    bar.set_label(name);
    Run run = train(request, bar);
    bar.print(fmt::format("{}: {} {:.4f}, loss {:.4f}, {:.1f} s", name, task.metric, run.value,
                          run.final_loss, run.seconds));
    results.add(std::move(run));
    checkpoint.remove();
  }

  std::vector<const Run*> runs;
  for (const auto& request : requests) runs.push_back(results.find(request.key));
  const auto groups = group_runs(runs);
  fmt::print("{}", results_table(task, groups));
  const std::string sentence = alpha_sentence(task, groups);
  if (!sentence.empty()) fmt::print("{}\n", sentence);

  std::vector<PlotSeries> series;
  for (const auto& group : groups) {
    const Method method = *method_named(group.method);
    const bool several_rates = options.learning_rates.at(method).size() > 1;
    const bool several_alphas = options.alphas_of(method).size() > 1;
    // A method keeps its color; its learning rates and alphas differ in the dashes.
    const bool continues = !series.empty() && series.back().color == info(method).color;
    series.push_back({group.method +
                          (several_rates ? fmt::format(" {:g}", group.learning_rate) : "") +
                          (several_alphas ? fmt::format(" alpha {:g}", *group.alpha) : ""),
                      std::string(info(method).color), continues ? series.back().dash + 1 : 1,
                      group.mean_curve(&Run::loss_curve), group.mean_curve(&Run::metric_curve)});
  }
  const std::string whole_title = title + ", " + options.seeds_text();
  std::string written = "results.json, results.csv";
  const auto drawn = [&](const std::string& name, const std::string& problem) {
    if (problem.empty()) {
      written += fmt::format(", {0}.svg, {0}.png", name);
    } else {
      fmt::print(stderr, "no {}.svg: {}\n", name, problem);
    }
  };
  drawn("curves", plot_curves(options.output, whole_title, task.metric, series));
  if (compares_alphas(groups)) {
    drawn("alpha", plot_alphas(options.output, whole_title, task.metric, groups));
  }
  fmt::print("written to {}: {}\n", options.output.string(), written);
}

}  // namespace examples

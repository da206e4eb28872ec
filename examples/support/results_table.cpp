// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "results_table.hpp"

namespace examples {

std::string results_table(const Task& task, const std::vector<RunGroup>& groups) {
  constexpr std::string_view kLine = "{:<20} {:>8} {}{:>5}  {:>17} {}{:>10} {:>10} {:>11} {:>7}\n";
  std::set<std::string> further;
  for (const auto& group : groups) {
    for (const Run* run : group.runs) {
      for (const auto& item : run->further_metrics) further.insert(item.first);
    }
  }
  const bool has_alphas = compares_alphas(groups);
  const auto alpha_cell = [&](const std::string& text) {
    return has_alphas ? fmt::format("{:>7} ", text) : std::string();
  };
  std::string titles;
  for (const auto& name : further) titles += fmt::format("{:>10} ", name);
  std::string table = fmt::format(kLine, "method", "lr", alpha_cell("alpha"), "seeds", task.metric,
                                  titles, "final loss", "parameters", "state bytes", "ms/step");
  for (const auto& group : groups) {
    const double spread = group.spread();
    std::string means;
    for (const auto& name : further) means += fmt::format("{:>10.4f} ", group.further_mean(name));
    table += fmt::format(
        kLine, group.method, fmt::format("{:g}", group.learning_rate),
        alpha_cell(group.alpha ? fmt::format("{:g}", *group.alpha) : "-"), group.runs.size(),
        fmt::format("{:.4f}{}", group.mean(&Run::value),
                    std::isnan(spread) ? "" : fmt::format(" +- {:.4f}", spread)),
        means, fmt::format("{:.4f}", group.mean(&Run::final_loss)),
        group.runs.front()->trainable_parameters, group.runs.front()->optimizer_state_bytes,
        fmt::format("{:.3f}", group.mean(&Run::optimizer_ms_per_step)));
  }
  return table;
}

}  // namespace examples

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "alpha_comparison.hpp"

#include <algorithm>  // std::find_if, std::minmax_element, std::sort
#include <fmt/format.h>
#include <fmt/ranges.h>  // fmt::join
#include <map>
#include <set>

#include "gnuplot.hpp"

namespace examples {

namespace detail {

std::vector<const RunGroup*> AlphaLine::finite() const {
  std::vector<const RunGroup*> chosen;
  for (const RunGroup* group : groups) {
    if (!group->diverged()) chosen.push_back(group);
  }
  return chosen;
}

std::vector<double> AlphaLine::diverged_alphas() const {
  std::vector<double> alphas;
  for (const RunGroup* group : groups) {
    if (group->diverged() && group->alpha) alphas.push_back(*group->alpha);
  }
  return alphas;
}

std::vector<AlphaLine> alpha_lines(const std::vector<RunGroup>& groups) {
  std::map<std::string, std::set<double>> rates;
  for (const auto& group : groups) rates[group.method].insert(group.learning_rate);
  std::vector<AlphaLine> lines;
  for (const auto& group : groups) {
    const Method method = *method_named(group.method);
    const bool several_rates = rates[group.method].size() > 1;
    const std::string label =
        group.method + (several_rates ? fmt::format(" {:g}", group.learning_rate) : "");
    auto line = std::find_if(lines.begin(), lines.end(),
                             [&](const AlphaLine& candidate) { return candidate.label == label; });
    if (line == lines.end()) {
      const std::string title =
          std::string(info(method).title) +
          (several_rates ? fmt::format(" at rate {:g}", group.learning_rate) : "");
      lines.push_back({method, label, title, {}});
      line = lines.end() - 1;
    }
    line->groups.push_back(&group);
  }
  for (auto& line : lines) {
    std::sort(line.groups.begin(), line.groups.end(),
              [](const RunGroup* a, const RunGroup* b) { return a->alpha < b->alpha; });
  }
  return lines;
}

/// "LoRA moves by 52.3 points (23.0 to 77.3 %)"
std::string movement(const Task& task, const AlphaLine& line) {
  const auto number = [&](double value) {
    return task.is_share ? fmt::format("{:.1f}", 100 * value) : fmt::format("{:.3f}", value);
  };
  const std::string unit = task.is_share ? " %" : " " + task.metric;
  const auto finite = line.finite();
  const auto diverged = line.diverged_alphas();
  if (finite.empty()) return line.title + " diverged at every alpha";
  if (finite.size() == 1) {
    return fmt::format("{} diverged at every alpha but {:g} ({}{})", line.title,
                       *finite.front()->alpha, number(finite.front()->mean(&Run::value)), unit);
  }
  std::vector<double> values;
  for (const RunGroup* group : finite) values.push_back(group->mean(&Run::value));
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  std::string text = fmt::format("{} moves by {}{} ({} to {}{})", line.title, number(*high - *low),
                                 task.is_share ? " points" : "", number(*low), number(*high), unit);
  if (!diverged.empty()) text += fmt::format(" and diverged at {:g}", fmt::join(diverged, " and "));
  return text;
}

/// A data block of "alpha mean error" lines. An empty line breaks what is drawn.
std::string alpha_block(std::size_t number, const AlphaLine& line) {
  std::string block = fmt::format("$line{} << END\n", number);
  for (const RunGroup* group : line.groups) {
    block += group->diverged() ? "\n"
                               : fmt::format("{} {} {}\n", *group->alpha, group->mean(&Run::value),
                                             group->standard_error());
  }
  return block + "END\n";
}

}  // namespace detail

std::string alpha_sentence(const Task& task, const std::vector<RunGroup>& groups) {
  const double sign = task.higher_is_better ? 1 : -1;
  const auto score = [&](const RunGroup* group) { return sign * group->mean(&Run::value); };
  const auto lines = detail::alpha_lines(groups);

  const RunGroup* lora = nullptr;
  std::string lora_title;
  for (const auto& line : lines) {
    if (line.method != Method::lora_adamw) continue;
    for (const RunGroup* group : line.finite()) {
      if (lora != nullptr && score(group) <= score(lora)) continue;
      lora = group;
      lora_title = line.title;
    }
  }

  std::string movements, comparisons;
  std::set<double> alphas;
  for (const auto& line : lines) {
    if (line.groups.size() < 2) continue;
    movements += (movements.empty() ? "" : ", ") + detail::movement(task, line);
    for (const RunGroup* group : line.groups) alphas.insert(*group->alpha);
    if (lora == nullptr || !is_lora_pro(line.method)) continue;
    const RunGroup& worst = **std::min_element(
        line.groups.begin(), line.groups.end(), [&](const RunGroup* a, const RunGroup* b) {
          return a->diverged() || b->diverged() ? a->diverged() > b->diverged()
                                                : score(a) < score(b);
        });
    const double lead = worst.mean(&Run::value) - lora->mean(&Run::value);
    comparisons += fmt::format("; {} at its worst alpha, {:g}, against {} at its best, {:g}: {}",
                               line.title, *worst.alpha, lora_title, *lora->alpha,
                               worst.diverged() ? "diverged"
                               : task.is_share  ? fmt::format("{:+.1f} points", 100 * lead)
                                                : fmt::format("{:+.3f}", lead));
    if (!task.higher_is_better && !worst.diverged()) comparisons += " (lower is better)";
  }
  if (movements.empty()) return "";
  return fmt::format("Over alpha {:g} to {:g} {}{}.", *alphas.begin(), *alphas.rbegin(), movements,
                     comparisons);
}

std::string plot_alphas(const std::filesystem::path& dir, const std::string& title,
                        const std::string& metric, const std::vector<RunGroup>& groups) {
  std::set<double> alphas;
  for (const auto& group : groups) {
    if (group.alpha) alphas.insert(*group.alpha);
  }
  if (alphas.empty()) return "there is nothing to draw";
  const double first = *alphas.begin() / 1.3;
  const double last = *alphas.rbegin() * 1.3;

  std::string data, plot;
  std::map<Method, int> lines_of_method;
  const auto lines = detail::alpha_lines(groups);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto& line = lines[i];
    const auto finite = line.finite();
    if (finite.empty()) continue;
    const int dash = ++lines_of_method[line.method];
    std::string style, label = line.label;
    if (info(line.method).trains_adapters) {
      data += detail::alpha_block(i, line);
      style = std::string(finite.front()->runs.size() > 1 ? "using 1:2:3 with yerrorlines"
                                                          : "using 1:2 with linespoints") +
              " pt 7 ps 0.7";
      const auto diverged = line.diverged_alphas();
      if (!diverged.empty()) {
        label += fmt::format(" (diverged at {:g})", fmt::join(diverged, ", "));
      }
    } else {
      const double level = finite.front()->mean(&Run::value);
      data += fmt::format("$line{} << END\n{} {}\n{} {}\nEND\n", i, first, level, last, level);
      style = "using 1:2 with lines";
    }
    plot += fmt::format("{}$line{} {} lw 2.5 dt {} lc rgb '{}' title {}",
                        plot.empty() ? "plot " : ", \\\n     ", i, style, dash,
                        info(line.method).color, gnuplot_string(label));
  }
  if (plot.empty()) return "there is nothing to draw";
  return draw_picture(dir, "alpha", 900, 470, data,
                      fmt::format(R"(set title {}
set border 3 lc rgb '#606060'
set grid ytics lc rgb '#e4e4e4' lw 1 lt 1
set tics nomirror textcolor rgb '#303030'
set xlabel 'alpha'
set ylabel {}
set key outside right top vertical Left reverse noenhanced samplen 1.8 spacing 1.25
set logscale x
set xrange [{}:{}]
set xtics ({})
set offsets 0, 0, graph 0.04, graph 0.04
{}
)",
                                  gnuplot_string(title), gnuplot_string(metric), first, last,
                                  fmt::join(alphas, ", "), plot));
}

}  // namespace examples

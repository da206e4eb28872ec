// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "curves_plot.hpp"

namespace examples {

namespace detail {

std::string data_block(std::string_view name, std::size_t number, const Curve& curve) {
  std::string block = fmt::format("${}{} << END\n", name, number);
  for (const auto& [step, value] : curve) {
    if (std::isfinite(value)) block += fmt::format("{} {}\n", step, value);
  }
  return block + "END\n";
}

std::string plot_command(std::string_view name, const std::vector<PlotSeries>& series,
                         bool log_scale) {
  std::string lines;
  for (std::size_t i = 0; i < series.size(); ++i) {
    const Curve& curve = log_scale ? series[i].loss : series[i].metric;
    bool drawable = false;
    for (const auto& point : curve) {
      drawable = drawable || (std::isfinite(point.second) && (!log_scale || point.second > 0.0));
    }
    if (!drawable) continue;
    lines += fmt::format("{}${}{} using 1:2 with lines lw 2.5 dt {} lc rgb '{}' title {}",
                         lines.empty() ? "plot " : ", \\\n     ", name, i, series[i].dash,
                         series[i].color, gnuplot_string(series[i].label));
  }
  return lines + "\n";
}

std::string metric_range(const std::vector<PlotSeries>& series) {
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (const auto& one : series) {
    for (std::size_t i = one.metric.size() / 4; i < one.metric.size(); ++i) {
      const double value = one.metric[i].second;
      if (!std::isfinite(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  const double room = low < high ? 0.04 * (high - low) : 0.01;
  return fmt::format("[{}:{}]", low - room, high + room);
}

}  // namespace detail

std::string plot_curves(const std::filesystem::path& dir, const std::string& title,
                        const std::string& metric, const std::vector<PlotSeries>& series) {
  std::string data;
  for (std::size_t i = 0; i < series.size(); ++i) {
    data += detail::data_block("loss", i, series[i].loss);
    data += detail::data_block("metric", i, series[i].metric);
  }
  const std::string loss_plot = detail::plot_command("loss", series, /*log_scale=*/true);
  const std::string metric_plot = detail::plot_command("metric", series, /*log_scale=*/false);
  if (loss_plot == "\n" || metric_plot == "\n") return "there is nothing to draw";

  // Names longer than that of a method get more room on the right.
  std::size_t longest = 18;
  for (const auto& one : series) longest = std::max(longest, one.label.size());
  const int width = 1200 + 8 * (static_cast<int>(longest) - 18);
  const auto part_of_width = [&](double part) { return part * 1200 / width; };
  return draw_picture(
      dir, "curves", width, 470, data,
      fmt::format(
          R"(set multiplot layout 1,2 title {} offset 0,-0.4 margins {},{},0.13,0.82 spacing {}
set border 3 lc rgb '#606060'
set grid ytics lc rgb '#e4e4e4' lw 1 lt 1
set tics nomirror textcolor rgb '#303030'
set xlabel 'optimizer step'
set key at screen {},0.82 left top vertical Left reverse noenhanced samplen 1.8 spacing 1.25
set xrange [0:*]
set autoscale xfixmax
set autoscale yfix
set title 'training loss'
set yrange [*:*]
set logscale y
set ytics (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
{}
unset key
unset logscale y
set ytics auto
set yrange {}
set title {}
{}
unset multiplot
)",
          gnuplot_string(title), part_of_width(0.06), part_of_width(0.815), part_of_width(0.075),
          part_of_width(0.83), loss_plot, detail::metric_range(series), gnuplot_string(metric),
          metric_plot));
}

}  // namespace examples

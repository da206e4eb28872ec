// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>  // std::max, std::min
#include <cmath>      // std::isfinite
#include <filesystem>
#include <fmt/format.h>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "gnuplot.hpp"
#include "run.hpp"

namespace examples {

/// One line in each panel of the picture.
struct PlotSeries {
  std::string label;
  std::string color;  // "#rrggbb"
  int dash = 1;       // 1: solid; 2, 3, ...: gnuplot's dash types
  Curve loss;
  Curve metric;
};

namespace detail {

/// A gnuplot data block; numbers that are not finite are left out.
std::string data_block(std::string_view name, std::size_t number, const Curve& curve);

/// "plot $name0 ..., $name1 ..." over the series that have points.
std::string plot_command(std::string_view name, const std::vector<PlotSeries>& series,
                         bool log_scale);

/// A gnuplot range over the metric of all series, but for the first quarter of each: there the
/// curves are so steep that they would leave no room for how they differ later.
std::string metric_range(const std::vector<PlotSeries>& series);

}  // namespace detail

/// Draws the training loss and the metric over the steps to DIR/curves.svg and DIR/curves.png; the
/// script with its data stays in DIR/curves.gnuplot.
/// \return why there is no picture; empty if there is one.
std::string plot_curves(const std::filesystem::path& dir, const std::string& title,
                        const std::string& metric, const std::vector<PlotSeries>& series);

}  // namespace examples

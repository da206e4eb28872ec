// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>  // std::any_of
#include <cstdint>
#include <cstdio>
#include <fmt/format.h>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "alpha_comparison.hpp"
#include "curves_plot.hpp"
#include "method.hpp"
#include "progress_bar.hpp"
#include "results.hpp"
#include "results_table.hpp"
#include "run_groups.hpp"
#include "run_options.hpp"

namespace examples {

/// One fine-tuning that an experiment asks for.
struct RunRequest {
  Method method;
  RunKey key;
  const RunCheckpoint* checkpoint = nullptr;
};

/// Does the run and returns its result; calls advance() on the bar once per step.
using TrainFunction = std::function<Run(const RunRequest&, ProgressBar&)>;

/// The common options as they are recorded with each run of `method`.
nlohmann::json recorded_options(const RunOptions& options, Method method,
                                std::optional<double> alpha);

/// Trains every method with every learning rate, alpha and seed that `options` asks for, except
/// what the output folder holds already; then prints the table and draws the curves, and how the
/// metric depends on alpha where there are several.
///
/// \param title        of the picture; how many seeds it shows is added.
/// \param own_options  what `task` records with each run besides the common options: an object.
void run_experiment(const Task& task, const std::string& title, const RunOptions& options,
                    const nlohmann::json& own_options, std::int64_t steps_per_run,
                    const TrainFunction& train);

}  // namespace examples

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <cmath>  // std::isnan
#include <fmt/format.h>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "results.hpp"
#include "run_groups.hpp"

namespace examples {

/// The table that an example prints at its end: one line per method, learning rate and alpha, with
/// a column for each further metric, and one for alpha where there are several.
std::string results_table(const Task& task, const std::vector<RunGroup>& groups);

}  // namespace examples

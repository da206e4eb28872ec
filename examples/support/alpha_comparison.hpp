// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "method.hpp"
#include "results.hpp"
#include "run_groups.hpp"

namespace examples {

namespace detail {

/// A method with one learning rate over the values of alpha.
struct AlphaLine {
  Method method;
  std::string label;                    // "lora_adamw", with the rate where there are several
  std::string title;                    // "LoRA", likewise
  std::vector<const RunGroup*> groups;  // by ascending alpha; one if there are no adapters

  /// Those that did not diverge.
  std::vector<const RunGroup*> finite() const;

  /// Where a run diverged.
  std::vector<double> diverged_alphas() const;
};

/// Points into `groups`.
std::vector<AlphaLine> alpha_lines(const std::vector<RunGroup>& groups);

}  // namespace detail

/// How far the metric of each method moves with alpha, and the LoRA-Pro methods at their worst
/// alpha against LoRA at its best, in one sentence; empty where no method has several values.
std::string alpha_sentence(const Task& task, const std::vector<RunGroup>& groups);

/// Draws the final metric over alpha to DIR/alpha.svg and DIR/alpha.png, with standard errors where
/// there are several seeds, and methods without adapters as horizontal lines. A line has a gap
/// where a run diverged. The script with its data stays in DIR/alpha.gnuplot. \return why there is
/// no picture; empty if there is one.
std::string plot_alphas(const std::filesystem::path& dir, const std::string& title,
                        const std::string& metric, const std::vector<RunGroup>& groups);

}  // namespace examples

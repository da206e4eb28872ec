// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>  // std::any_of, std::min
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "run.hpp"

namespace examples {

/// Runs that differ in the seed only.
struct RunGroup {
  std::string method;
  double learning_rate = 0.0;
  std::optional<double> alpha;
  std::vector<const Run*> runs;

  /// Mean over the runs of a number of theirs, such as &Run::value.
  template <typename Number>
  double mean(Number Run::*number) const {
    double sum = 0.0;
    for (const Run* run : runs) sum += static_cast<double>(run->*number);
    return sum / static_cast<double>(runs.size());
  }

  /// Mean over the runs of a further metric; NaN if a run lacks it.
  double further_mean(const std::string& metric) const {
    double sum = 0.0;
    for (const Run* run : runs) {
      const auto found = run->further_metrics.find(metric);
      sum += found == run->further_metrics.end() ? std::numeric_limits<double>::quiet_NaN()
                                                 : found->second;
    }
    return sum / static_cast<double>(runs.size());
  }

  /// Sample standard deviation of the metric; NaN of a single run.
  double spread() const {
    if (runs.size() < 2) return std::numeric_limits<double>::quiet_NaN();
    double sum = 0.0;
    for (const Run* run : runs) sum += std::pow(run->value - mean(&Run::value), 2);
    return std::sqrt(sum / static_cast<double>(runs.size() - 1));
  }

  /// Of the mean of the metric; NaN of a single run.
  double standard_error() const { return spread() / std::sqrt(static_cast<double>(runs.size())); }

  /// Whether a run ended at what is no number, be it the metric or the loss.
  bool diverged() const {
    return std::any_of(runs.begin(), runs.end(), [](const Run* run) {
      return !std::isfinite(run->value) || !std::isfinite(run->final_loss);
    });
  }

  /// Mean over the runs of a curve, &Run::loss_curve or &Run::metric_curve.
  Curve mean_curve(Curve Run::*curve) const {
    Curve mean = runs.front()->*curve;
    for (const Run* run : runs) mean.resize(std::min(mean.size(), (run->*curve).size()));
    for (std::size_t i = 0; i < mean.size(); ++i) {
      double sum = 0.0;
      for (const Run* run : runs) sum += (run->*curve)[i].second;
      mean[i].second = sum / static_cast<double>(runs.size());
    }
    return mean;
  }
};

/// Groups `runs` by method, learning rate and alpha, in the order in which these first appear.
std::vector<RunGroup> group_runs(const std::vector<const Run*>& runs);

/// Whether their adapters have several values of alpha.
bool compares_alphas(const std::vector<RunGroup>& groups);

}  // namespace examples

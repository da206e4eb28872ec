// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Steps as observers are told of them, and what observers left in a file.

#include <lorapro/optim/observer.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>

/// A step of one group, which took the rate 0.001 and did not clip.
inline lorapro::StepEvent step_event(std::int64_t step, std::optional<double> loss = {}) {
  lorapro::StepEvent event;
  event.report.step = step;
  event.report.updated = 3;
  event.milliseconds = 1.5;
  event.loss = loss;
  event.groups.resize(1);
  event.groups[0].lr = 0.001;
  return event;
}

inline std::string contents_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

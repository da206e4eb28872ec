// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A reference case of tests/golden/initialisations (README.md of tests/golden has the formulas).

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "examples/support/reference_case.hpp"
#include "support/golden.hpp"

namespace support {

/// Paths of the cases of a kind, of which there are two and, for DoRA, four.
inline std::vector<std::string> golden_cases(const std::string& kind) {
  std::vector<std::string> paths;
  for (const auto& entry :
       std::filesystem::directory_iterator(golden_folder() + "/initialisations"))
    if (entry.path().string().find("_" + kind + "_m") != std::string::npos)
      paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  if (paths.size() < 2) throw std::runtime_error("no reference cases of " + kind);
  return paths;
}

using GoldenCase = example::ReferenceCase;

/// Of the cases: 1e-10 of the tensor's norm in double, 1e-5 in float.
template <typename Scalar>
inline constexpr double kGoldenTolerance = sizeof(Scalar) == 8 ? 1e-10 : 1e-5;

/// ||a - b|| over ||b||.
template <typename A, typename B>
double golden_deviation(const A& a, const B& b) {
  return (a.template cast<double>() - b).norm() / b.norm();
}

}  // namespace support

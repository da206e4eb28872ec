// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A reference case of tests/golden/initialisations (README.md of tests/golden has the formulas).

#include <lorapro/io/safetensors.hpp>
#include <lorapro/layer/lora_config.hpp>

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

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

class GoldenCase {
 public:
  using Matrix = lorapro::RowMatrix<double>;

  explicit GoldenCase(const std::string& path) : file_(path) {}

  double number(const std::string& key) const { return std::stod(file_.metadata(key)); }

  /// Rank and scaling of the case.
  lorapro::LoraConfig config() const {
    lorapro::LoraConfig out;
    out.rank = static_cast<lorapro::Index>(number("r"));
    out.lora_alpha = number("s") * number("r");
    return out;
  }

  /// A tensor; a vector is a row.
  Matrix matrix(const std::string& name) const {
    const auto* const tensor = file_.find(name);
    if (tensor == nullptr) throw lorapro::ConfigError(name + ": expected a tensor, got none");
    const auto at = [&](std::size_t k) { return static_cast<lorapro::Index>(tensor->shape[k]); };
    const bool is_vector = tensor->shape.size() == 1;
    Matrix out(is_vector ? 1 : at(0), at(is_vector ? 0 : 1));
    file_.read(*tensor, out.data());
    return out;
  }

  template <typename Scalar>
  lorapro::RowMatrix<Scalar> matrix_of(const std::string& name) const {
    return matrix(name).cast<Scalar>();
  }

 private:
  lorapro::io::SafetensorsReader file_;
};

/// Of the cases: 1e-10 of the tensor's norm in double, 1e-5 in float.
template <typename Scalar>
inline constexpr double kGoldenTolerance = sizeof(Scalar) == 8 ? 1e-10 : 1e-5;

/// ||a - b|| over ||b||.
template <typename A, typename B>
double golden_deviation(const A& a, const B& b) {
  return (a.template cast<double>() - b).norm() / b.norm();
}

}  // namespace support

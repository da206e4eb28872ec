// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/adapter_module.hpp>

#include "support/random.hpp"

namespace support {

/// A module of random factors.
inline lorapro::io::AdapterModule random_module(Random& random, const std::string& path,
                                                Eigen::Index out, Eigen::Index in,
                                                Eigen::Index rank, double alpha,
                                                bool use_rslora = false) {
  const auto A = reference::rounded<float>(random.matrix(rank, in));
  const auto B = reference::rounded<float>(random.matrix(out, rank));
  const auto returned = [](const auto& matrix) {
    return [matrix] { return lorapro::RowMatrix<float>(matrix); };
  };
  return {path, out, in, rank, alpha, use_rslora, returned(A), returned(B)};
}

/// s B A in long double.
inline RealMatrix delta(const lorapro::io::AdapterModule& module) {
  return Real(module.scaling()) *
         reference::product(reference::real(module.lora_B()), reference::real(module.lora_A()));
}

}  // namespace support

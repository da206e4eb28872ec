// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/numeric.hpp>

#include <string>  // std::string, std::to_string
#include <vector>  // std::vector

namespace bench {

using lorapro::Index;

/// One LoRA pair: W is (out, in), B is (out, rank), A is (rank, in).
struct Shape {
  Index out;
  Index in;
  Index rank;

  double elements() const { return static_cast<double>(out) * static_cast<double>(in); }
  /// Elements of A and B together.
  double adapter_elements() const { return static_cast<double>(rank * (out + in)); }
  /// r^2 (m + n), the unit of everything that is done to the factors.
  double adapter_products() const { return static_cast<double>(rank) * adapter_elements(); }

  std::string weight_name() const { return std::to_string(out) + "x" + std::to_string(in); }
  std::string name() const { return weight_name() + "/r" + std::to_string(rank); }
};

/// The shapes of a whole step. The first is the only one that a smoke run measures.
inline const std::vector<Shape>& step_shapes() {
  static const std::vector<Shape> shapes = {{768, 768, 8},    {768, 3072, 16},  {2048, 2048, 16},
                                            {4096, 4096, 8},  {4096, 4096, 16}, {4096, 4096, 64},
                                            {4096, 11008, 16}};
  return shapes;
}

/// The shapes of a kernel alone.
inline const std::vector<Shape>& kernel_shapes() {
  static const std::vector<Shape> shapes = {
      {768, 768, 8}, {4096, 4096, 8}, {4096, 4096, 16}, {4096, 4096, 64}};
  return shapes;
}

/// The sizes of r x r algebra.
inline const std::vector<Index>& solve_ranks() {
  static const std::vector<Index> ranks = {4, 8, 16, 32, 64};
  return ranks;
}

}  // namespace bench

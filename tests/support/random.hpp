// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Random matrices of the tests. std::mt19937_64 is the same everywhere and the distributions of
/// the standard library are not, hence the two that are written out here. Print the seed with
/// LORAPRO_TEST_RANDOM so that a failure can be replayed.

#include <cmath>   // std::sqrt, std::log, std::cos, std::pow
#include <random>  // std::mt19937_64

#include "support/catch.hpp"
#include "support/reference.hpp"

/// Declares the generator `name` and shows its seed with every failure in the scope.
#define LORAPRO_TEST_RANDOM(name, seed) \
  support::Random name(seed);           \
  INFO("seed " << (seed))

namespace support {

using reference::Real;
using reference::RealMatrix;

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  std::uint64_t bits() { return engine_(); }

  /// Uniform in [0, 1).
  double uniform() { return static_cast<double>(engine_() >> 11) * 0x1.0p-53; }

  double normal() {
    const double u = 1 - uniform();
    return std::sqrt(-2 * std::log(u)) * std::cos(6.283185307179586 * uniform());
  }

  RealMatrix matrix(Eigen::Index rows, Eigen::Index cols, double deviation = 1) {
    RealMatrix out(rows, cols);
    for (Eigen::Index i = 0; i < out.size(); ++i) out.data()[i] = deviation * normal();
    return out;
  }

  /// Orthonormal columns; rows >= cols.
  RealMatrix orthonormal(Eigen::Index rows, Eigen::Index cols) {
    RealMatrix q = matrix(rows, cols);
    for (Eigen::Index j = 0; j < cols; ++j)
      for (int pass = 0; pass < 2; ++pass) {
        for (Eigen::Index k = 0; k < j; ++k) {
          const Real along = reference::dot(q.col(k), q.col(j));
          for (Eigen::Index i = 0; i < rows; ++i) q(i, j) -= along * q(i, k);
        }
        const Real norm = std::sqrt(reference::dot(q.col(j), q.col(j)));
        for (Eigen::Index i = 0; i < rows; ++i) q(i, j) /= norm;
      }
    return q;
  }

  /// Singular values from 1 down to 1 / condition in equal ratios.
  RealMatrix conditioned(Eigen::Index rows, Eigen::Index cols, double condition) {
    const Eigen::Index size = std::min(rows, cols);
    std::vector<Real> values(static_cast<std::size_t>(size), 1);
    for (Eigen::Index k = 1; k < size; ++k)
      values[static_cast<std::size_t>(k)] =
          std::pow(Real(condition), -Real(k) / static_cast<Real>(size - 1));
    return with_singular_values(rows, cols, values);
  }

  RealMatrix with_singular_values(Eigen::Index rows, Eigen::Index cols,
                                  const std::vector<Real>& values) {
    const auto size = static_cast<Eigen::Index>(values.size());
    RealMatrix left = orthonormal(rows, size);
    for (Eigen::Index k = 0; k < size; ++k) left.col(k) *= values[static_cast<std::size_t>(k)];
    return reference::product(left, reference::transposed(orthonormal(cols, size)));
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace support

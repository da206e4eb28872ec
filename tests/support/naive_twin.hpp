// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A rule against its naive twin (bench/naive/) on random shapes, whose edges fall anywhere in
/// tiles, panels and packets.

#include <lorapro/optim/optimizer.hpp>

#include <algorithm>  // std::min, std::max
#include <cmath>      // std::sqrt

#include "bench/naive/adam.hpp"
#include "bench/naive/adjust.hpp"
#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace naive_twin {

using lorapro::Index;
using support::Random;

/// Of the factors below: singular values from 1 / sqrt(2) to sqrt(2) and a perturbation of 1/4.
constexpr double kCondition = 3;

/// (length, rank), cheap and well-conditioned: every row belongs to one column, where it is 1 or
/// -1, plus noise; scaled to singular values of about one.
template <typename Scalar>
lorapro::RowMatrix<Scalar> factor(Random& random, Index length, Index rank) {
  lorapro::RowMatrix<Scalar> out(length, rank);
  const double noise = 0.5 / std::sqrt(static_cast<double>(length));
  const double one = std::sqrt(static_cast<double>(rank) / static_cast<double>(length));
  for (Index i = 0; i < length; ++i) {
    for (Index k = 0; k < rank; ++k)
      out(i, k) = static_cast<Scalar>(noise * (random.uniform() - 0.5));
    out(i, i % rank) += static_cast<Scalar>(random.bits() % 2 == 0 ? one : -one);
  }
  return out;
}

template <typename Scalar>
struct Pair {
  using Matrix = lorapro::RowMatrix<Scalar>;

  Pair(Random& random, Index out, Index in, Index rank)
      : lora_A(factor<Scalar>(random, in, rank).transpose()),
        lora_B(factor<Scalar>(random, out, rank)),
        grad_A(rank, in),
        grad_B(out, rank),
        scaling(0.5 + 1.5 * random.uniform()) {}

  /// The gradients of a random dL/dW.
  void backpropagate(Random& random) {
    Matrix G(lora_B.rows(), lora_A.cols());
    for (Index k = 0; k < G.size(); ++k)
      G.data()[k] = static_cast<Scalar>(2 * random.uniform() - 1);
    grad_A.noalias() = static_cast<Scalar>(scaling) * (lora_B.transpose() * G);
    grad_B.noalias() = static_cast<Scalar>(scaling) * (G * lora_A.transpose());
  }

  lorapro::LoraView<Scalar> view() {
    return lorapro::row_major_view(lora_A.data(), lora_B.data(), grad_A.data(), grad_B.data(),
                                   lora_B.rows(), lora_A.cols(), lora_A.rows(), scaling);
  }

  Matrix lora_A, lora_B, grad_A, grad_B;
  double scaling;
};

/// Two steps of a rule and of its twin, each from the factors of the rule, so that only the moments
/// carry rounding errors over.
template <typename Rule, typename Naive, typename Scalar>
void compare_steps(Random& random, Index out, Index in, Index rank,
                   const lorapro::OptimizerConfig& config) {
  CAPTURE(out, in, rank, sizeof(Scalar));
  Pair<Scalar> pair(random, out, in, rank);
  lorapro::Optimizer<Scalar, Rule> optimizer(config);
  optimizer.attach(pair.view());
  Naive naive(out, in, rank,
              {config.group.lr, config.group.weight_decay, config.beta1.value_or(0.9), config.beta2,
               config.eps});
  for (int t = 1; t <= 2; ++t) {
    CAPTURE(t);
    pair.backpropagate(random);
    const Pair<Scalar> before = pair;
    Pair<Scalar> expected = pair;
    naive.step(expected);
    REQUIRE(optimizer.step().updated == 1);
    const auto check = [&](const auto& fast, const auto& simple, const auto& start) {
      // Rounding errors of a sum grow with the root of its length. The twin inverts a Gram matrix
      // and solves with both: the square of a condition for each. Adam turns an error d of a
      // gradient into at most d / eps.
      const double length = std::sqrt(static_cast<double>(std::max(out, in)));
      const double step = static_cast<double>((simple - start).norm());
      const double norm = static_cast<double>(start.norm()) + step * (1 + 1 / config.eps);
      CHECK(support::distance(fast, simple) <=
            support::tolerance<Scalar>(1, length, std::pow(kCondition, 4), norm));
      CHECK(step > 0);
    };
    check(pair.lora_A, expected.lora_A, before.lora_A);
    check(pair.lora_B, expected.lora_B, before.lora_B);
  }
}

/// \p count shapes in each scalar, of up to 300 rows and columns and rank up to 70.
template <template <typename> class Rule, template <typename> class Naive>
void compare_on_random_shapes(int count, std::uint64_t seed) {
  LORAPRO_TEST_RANDOM(random, seed);
  Eigen::setNbThreads(1);  // the products are too small for two
  lorapro::OptimizerConfig config;
  config.group.lr = 0.1;
  config.group.weight_decay = 0.5;
  config.damping = 0;
  config.eps = 0.5;  // as large as gradients are: Adam must not magnify rounding errors
  const auto below = [&](Index end) {
    return static_cast<Index>(random.bits() % static_cast<std::uint64_t>(end));
  };
  for (int i = 0; i < count; ++i) {
    const Index out = 1 + below(300), in = 1 + below(300);
    const Index rank = 1 + below(std::min<Index>({out, in, 70}));
    compare_steps<Rule<float>, Naive<float>, float>(random, out, in, rank, config);
    compare_steps<Rule<double>, Naive<double>, double>(random, in, out, rank, config);
  }
}

}  // namespace naive_twin

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// What the tests of optim/ share: buffers of a pair, snapshots of state, a rule beside its
/// reference, and the battery that every rule has to pass. Compiled once, for any rule.

#include <lorapro/optim/optimizer.hpp>

#include <map>     // std::map
#include <string>  // std::string
#include <vector>  // std::vector

#include "support/catch.hpp"
#include "support/dense_rules.hpp"
#include "support/pair_buffers.hpp"

namespace rule_battery {

using lorapro::BaseOptimizer;
using lorapro::RuntimeRule;

// ---------------------------------------------------------------- buffers and snapshots

// Compiled once, in rule_battery.cpp.
extern template struct PairBuffers<float>;
extern template struct PairBuffers<double>;
extern template struct PairBuffers<bfloat16>;
extern template struct PairBuffers<lorapro::half>;

/// Every matrix and counter of an optimizer by name, bit for bit.
using Snapshot = std::map<std::string, std::vector<unsigned char>>;

template <typename Scalar>
Snapshot state_of(BaseOptimizer<Scalar>& optimizer);
template <typename Scalar>
void set_state(BaseOptimizer<Scalar>& optimizer, const Snapshot& state);

/// The entries of one parameter.
Snapshot entries_of(const Snapshot& state, const std::string& name);

template <typename T>
RealMatrix tensor_of(const Snapshot& state, const std::string& name, Index rows, Index cols);

// ---------------------------------------------------------------- rule against reference

struct Case {
  Index out_features, in_features, rank;
  double scaling;
  double deviation_B = 1;  ///< 0: the usual start
};

/// Runs the rule and its reference side by side; each step starts from the rule's own factors, so
/// that only the moments carry errors over.
template <typename Scalar>
void follow_reference(const RuntimeRule<Scalar>& rule, Kind kind, const Case& c,
                      const lorapro::OptimizerConfig& config, int steps);
template <typename Rule, typename Scalar>
void follow_reference(Kind kind, const Case& c, const lorapro::OptimizerConfig& config, int steps) {
  follow_reference(lorapro::runtime_rule<Scalar, Rule>(), kind, c, config, steps);
}

/// Shapes that exercise one row, one column, ragged panels and tiles, and rank beyond the sides.
std::vector<Case> ragged_cases();

// ---------------------------------------------------------------- the battery

/// Of the pair's rank, so that the loss of a Quadratic can vanish.
RealMatrix quadratic_target(Index rows, Index cols, Index rank, std::uint64_t seed);

/// Two pairs of different shapes and a dense parameter: 1/2 ||s B A - T||^2 + 1/2 ||w - t||^2.
template <typename T>
struct Quadratic {
  PairBuffers<T> first{24, 17, 3, 0.5, 1};
  PairBuffers<T> second{9, 40, 2, 2.0, 2, 0.0};
  RowMatrix<T> dense = RowMatrix<T>::Zero(1, 33);
  RowMatrix<T> grad_dense = RowMatrix<T>::Zero(1, 33);

  /// \return the loss.
  double backpropagate();

  /// \tparam Optimizer  a BaseOptimizer or what has its attach and step.
  template <typename Optimizer>
  void attach(Optimizer& optimizer) {
    optimizer.attach(first.view(), {}, "first");
    optimizer.attach(second.view(), {}, "second");
    optimizer.attach(lorapro::DenseView<T>{dense.data(), grad_dense.data(), 33}, {}, "dense");
  }

  template <typename Optimizer>
  void train(Optimizer& optimizer, int steps) {
    for (int t = 0; t < steps; ++t) {
      backpropagate();
      REQUIRE(optimizer.step().updated == 3);
    }
  }

  bool same(const Quadratic& other) const {
    return same_parameters(first, other.first) && same_parameters(second, other.second) &&
           same_bits(dense, other.dense);
  }
};

/// How a pair of rank 2 that makes the same W is split: (B T / k, T^-1 A) at k times the scaling.
struct Split {
  RealMatrix T = RealMatrix::Identity(2, 2), inverse = T;
  double k = 1;

  /// With a T that is neither diagonal nor orthogonal.
  static Split mixed();
  /// With a rotation.
  static Split turned(double cosine, double sine);
};

/// s B A of a pair (12, 9) of rank 2 after ten steps of random gradients at the rate 0.05, decayed.
/// \param deviation_B  of its start. \param loss_scale  of the gradients.
RealMatrix trained_from(const RuntimeRule<double>& rule, const Split& split, double damping,
                        double deviation_B = 1, double loss_scale = 1);

/// Which factor a rule moves alone in its first step, and in every second one from there.
void check_alternation(const RuntimeRule<float>& rule, lorapro::Side first);

/// Whether A moves by its rate and B by its own: with loraplus_lr_ratio 4 the first step moves B four
/// times as far, and A as far, as with 1.
template <typename Scalar>
bool moves_follow_rates(const RuntimeRule<Scalar>& rule, lorapro::OptimizerConfig config);

/// Everything that holds for every rule, also for one that moves A or B alone in its first step.
/// \param config       with a learning rate at which `steps` steps divide the loss by 1 / factor.
void run_one_sided(const RuntimeRule<float>& rule, const lorapro::OptimizerConfig& config,
                   int steps, double factor, bool has_moments);
template <typename Rule, typename Scalar>
void run_one_sided(const lorapro::OptimizerConfig& config, int steps, double factor,
                   bool has_moments) {
  run_one_sided(lorapro::runtime_rule<Scalar, Rule>(), config, steps, factor, has_moments);
}

/// Everything that holds for rules that move both factors in every step.
void run(const RuntimeRule<float>& rule, const lorapro::OptimizerConfig& config, int steps,
         double factor, bool has_moments);
template <typename Rule, typename Scalar>
void run(const lorapro::OptimizerConfig& config, int steps, double factor, bool has_moments) {
  run(lorapro::runtime_rule<Scalar, Rule>(), config, steps, factor, has_moments);
}

}  // namespace rule_battery

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/pair_solver.hpp>
#include <lorapro/optim/state.hpp>
#include <lorapro/optim/step_context.hpp>
#include <lorapro/optim/team.hpp>

LORAPRO_NAMESPACE_BEGIN

/// \file
/// What an update rule is. There are two kinds, and Optimizer<Scalar, Rule> does the rest for both:
/// groups, schedule, clipping, counters, masters, threads. rule_checks.hpp says at compile time
/// what a rule lacks; examples/custom_rule.cpp has one of each kind.
///
/// An **element-wise** rule updates every element by its own gradient and state:
///
/// \code
/// struct MyRule : lorapro::ElementwiseRule {
///   static constexpr const char* kName = "my_rule";  // checkpoints tell rules apart by it
///   static constexpr std::array<const char*, 1> kState{"exp_avg"};
///   template <typename Scalar>
///   struct Update {
///     explicit Update(const lorapro::ElementStep& step);  // what all elements have in common
///     void operator()(const lorapro::ElementRow<Scalar, 1>& row) const;
///   };
/// };
/// \endcode
///
/// A **pair** rule sees a whole pair, A and B with their gradients:
///
/// \code
/// struct MyRule : lorapro::PairRule {
///   static constexpr const char* kName = "my_rule";
///   template <typename Scalar>
///   struct PairState {
///     explicit PairState(const lorapro::PairShape& shape);
///     template <typename Visitor>
///     void visit(Visitor&& visitor);  // visitor("name", StateTensor) for each part of the state
///     static lorapro::RuleWorkspace workspace(const lorapro::PairShape& shape);
///     // Reads and checks; writes no state and no factor.
///     lorapro::Preparation prepare(const lorapro::PairStep<Scalar>& step);
///     // Updates state and factors; called only where prepare said ok or rank_deficient.
///     void update(const lorapro::PairStep<Scalar>& step);
///   };
///   template <typename Scalar>
///   using DenseState = lorapro::ElementwiseDense<lorapro::AdamWRule, Scalar>;
/// };
/// \endcode
///
/// A pair rule with `static constexpr bool kNeedsSpectra = true` gets a measured PairSolver in
/// step.solver: products and spectra of the pair, decomposed for many pairs at a time. Its
/// PairState also has `static PerSide<bool> grad_grams(const StepContext&)`: whose Gram matrices of
/// gradients it reads.

/// What a rule decides where the user has not.
struct RuleDefaults {
  static constexpr double kBeta1 = 0.9;             ///< OptimizerConfig::beta1
  static constexpr double kMaxRelativeMove = 0.05;  ///< OptimizerConfig::max_relative_move
  /// A step moves A or B alone: under DecayTarget::merged that one has the decay of both.
  static constexpr bool kMovesOneFactor = false;
};
struct ElementwiseRule : RuleDefaults {
  /// Largest magnitude of a gradient, scaled, that an update can take: what is above is reported as
  /// an overflow. For rules whose step is as large as lr times the gradient at most.
  template <typename Scalar>
  static double largest_gradient(double lr) {
    return detail::step_limit<Scalar>(lr);
  }
};
struct PairRule : RuleDefaults {
  static constexpr bool kNeedsSpectra = false;
};

/// A dense parameter as rules see it: one flat factor, whose rank is the length of the rows that it
/// is cut into, at most kRow elements, so that a panel is a long run of memory.
struct Dense {
  static constexpr Index kRow = 16;

  Factor factor;
  Index rows = 0;  ///< of the matrix that the caller described; 0 for a vector
  Index cols = 0;

  Index size() const { return factor.value.rank * factor.value.length; }
};

/// What prepare found.
struct Preparation {
  AdjustReport report;
  double squared_norm = 0;  ///< of the norm that clipping measures; 0 for ClipNorm::none
};

/// One pair in one step.
template <typename Scalar>
struct PairStep {
  const Pair& pair;
  const StepContext& context;
  const Team<Scalar>& team;
  PairSolver* solver = nullptr;  ///< of rules that need spectra

  /// How LoRA-Pro rules project a pair in this step.
  AdjustOptions adjust_options() const {
    AdjustOptions options = context.config->adjust_options();
    options.free_factor = context.free_factor;
    options.lr = pair[options.fixed_factor()].lr;
    return options;
  }
  /// Scratch of the calling thread, outside Team::parallel.
  Workspace wide() const { return team.own().wide; }
};

/// One dense parameter in one step.
template <typename Scalar>
struct DenseStep {
  const Dense& dense;
  const StepContext& context;
  const Team<Scalar>& team;
};

LORAPRO_NAMESPACE_END

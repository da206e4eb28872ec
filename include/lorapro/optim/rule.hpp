// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/adam.hpp>
#include <lorapro/core/parallel.hpp>
#include <lorapro/linalg/magnitude.hpp>
#include <lorapro/optim/optimizer_config.hpp>
#include <lorapro/optim/state.hpp>

#include <algorithm>  // std::max
#include <string>     // std::string

LORAPRO_NAMESPACE_BEGIN

/// \file
/// What a rule is: a type with two member templates, the state of a pair and of a dense parameter.
///
/// \code
/// struct MyRule {
///   // Optional: checkpoints tell rules apart by it.
///   static constexpr const char* kName = "MyRule";
///   // Optional: OptimizerConfig::beta1 where the user has set none; else it is 0.9.
///   static constexpr double kBeta1 = 0.9;
///   // Optional: likewise OptimizerConfig::max_relative_move; else it is 0.05.
///   static constexpr double kMaxRelativeMove = 0.05;
///   template <typename Scalar>
///   struct PairState {
///     PairState(Index out_features, Index in_features, Index rank);
///     // Calls v("name", StateTensor) for each part of the state.
///     template <typename Visitor> void visit(Visitor&& v);
///     // Scratch of each thread, in Scalar and in Wide.
///     static Index scratch_size(Index rank);
///     static Index wide_scratch_size(Index rank);
///     // Behind scratch_size in the team's own scratch.
///     static Index shared_scratch_size(Index out_features, Index in_features, Index rank);
///     // How long an update takes, in units of about half a nanosecond: from a few 100,000 on it
///     // may get all threads.
///     static Index work(Index out_features, Index in_features, Index rank);
///     // Optional, for rules that need the spectra of B^T B and A A^T: reads the pair's factors
///     // and gradients. The spectra of the solver are then decomposed, those of many pairs of one
///     // rank at a time, before prepare is called, which should leave the rest to one thread.
///     PairSolver& measure(const Pair&, const StepContext&, const Team<Scalar>&);
///     // Reads, checks, measures; writes no moments and no factors.
///     Preparation prepare(const Pair&, const StepContext&, const Team<Scalar>&);
///     // Updates moments and parameters; called only where prepare said ok or rank_deficient.
///     void update(const Pair&, const StepContext&, const Team<Scalar>&);
///   };
///   // The same for a DenseView, constructed from its size or from a Dense (for its rows and
///   // columns), without shared scratch and work.
///   template <typename Scalar>
///   struct DenseState;
/// };
/// \endcode
///
/// Optimizer<Scalar, MyRule> does the rest: groups, schedule, clipping, counters, masters, threads.

namespace detail {

template <typename Rule, typename = void>
struct RuleName {
  static constexpr const char* value = "";
};
template <typename Rule>
struct RuleName<Rule, std::void_t<decltype(Rule::kName)>> {
  static constexpr const char* value = Rule::kName;
};

template <typename Rule, typename = void>
struct RuleBeta1 {
  static constexpr double value = 0.9;
};
template <typename Rule>
struct RuleBeta1<Rule, std::void_t<decltype(Rule::kBeta1)>> {
  static constexpr double value = Rule::kBeta1;
};

template <typename Rule, typename = void>
struct RuleMaxRelativeMove {
  static constexpr double value = 0.05;
};
template <typename Rule>
struct RuleMaxRelativeMove<Rule, std::void_t<decltype(Rule::kMaxRelativeMove)>> {
  static constexpr double value = Rule::kMaxRelativeMove;
};

/// The options with what the rule decides where the user has not.
template <typename Rule>
OptimizerConfig resolved(OptimizerConfig config) {
  if (!config.beta1) config.beta1 = RuleBeta1<Rule>::value;
  if (!config.max_relative_move) config.max_relative_move = RuleMaxRelativeMove<Rule>::value;
  return config;
}

}  // namespace detail

/// The name of a rule; empty where it has none.
template <typename Rule>
constexpr const char* rule_name() {
  return detail::RuleName<Rule>::value;
}

/// A pair as rules see it.
struct Pair {
  PairFactors model;    ///< the factors that the gradients belong to, and the gradients
  FactorView master_A;  ///< copy in the compute scalar; no data unless the model stores less
  FactorView master_B;
  Index out_features = 0;
  Index in_features = 0;
  Index rank = 0;
};

/// A dense parameter as rules see it: a factor whose rank is the length of the rows that it is cut
/// into, at most kRow elements, so that a panel is a long run of memory.
struct Dense {
  static constexpr Index kRow = 16;

  FactorView value;
  FactorView grad;
  FactorView master;
  Index rows = 0;  ///< of the matrix that the caller described; 0 for a vector
  Index cols = 0;
};

/// What is the same for every element of one parameter in one step.
struct StepContext {
  const OptimizerConfig* config = nullptr;  ///< with what the rule has decided
  double lr = 0;          ///< with the schedule's factor; of A, or of the dense parameter
  double lr_B = 0;        ///< the same of B
  double decay = 1;       ///< factor of A (or of the dense parameter) before the update
  double decay_B = 1;     ///< the same of B
  double grad_scale = 1;  ///< 1 / (loss scale x accumulated batches)
  double clip = 1;        ///< factor of the gradient from clipping; 1 during prepare
  std::int64_t step = 1;  ///< of this parameter, from 1
  std::uint64_t rounding_key = 0;
  ClipNorm clip_norm = ClipNorm::none;
  FreeFactor free_factor = FreeFactor::lora_B;  ///< of a pair

  /// How LoRA-Pro rules project in this step.
  AdjustOptions adjust_options() const {
    AdjustOptions options = config->adjust_options();
    options.lr = fixes_A(free_factor) ? lr : lr_B;
    options.free_factor = free_factor;
    return options;
  }
  /// With B's rate and decay where a single factor's are read.
  StepContext of_B() const {
    StepContext context = *this;
    context.lr = lr_B;
    context.decay = decay_B;
    return context;
  }
  double largest_lr() const { return (std::max)(lr, lr_B); }
};

/// AdamW's constants of a parameter. \param grad_scale of the gradient that the moments see.
template <typename Scalar>
AdamConstants<Scalar> adam_constants(const StepContext& context, double grad_scale) {
  const OptimizerConfig& config = *context.config;
  return {*config.beta1, config.beta2,  config.eps, context.step,
          grad_scale,    context.decay, context.lr};
}

/// What prepare found.
struct Preparation {
  AdjustReport report;
  double squared_norm = 0;  ///< of the norm that clipping measures; 0 for ClipNorm::none
};

/// Memory of one thread.
template <typename Scalar>
struct Scratch {
  Scalar* scalars = nullptr;
  Wide* wide = nullptr;
};

/// The threads, each with its scratch, that work on one parameter: all of them on a large one, one
/// on a small one while the others work on other parameters. How work is cut into pieces depends on
/// its size alone and pieces are combined in order, so results do not depend on the team.
template <typename Scalar>
class Team {
 public:
  /// Pieces that a large parameter is cut into.
  static constexpr Index kMaxPieces = 64;

  Team(const Scratch<Scalar>* scratches, int threads) : scratches_(scratches), threads_(threads) {}

  /// Scratch of the calling thread, outside parallel.
  const Scratch<Scalar>& own() const { return scratches_[0]; }

  /// Calls body(index, scratch) for index = 0 .. count - 1; lower indices are begun first.
  template <typename Body>
  void parallel(Index count, const Body& body) const {
    parallel_for(threads_, count,
                 [&](Index index, int thread) { body(index, scratches_[thread]); });
  }

  /// Calls body(piece, first, last, scratch) for at most kMaxPieces consecutive ranges of [0,
  /// count).
  template <typename Body>
  void parallel_ranges(Index count, const Body& body) const {
    const Index length = (count + kMaxPieces - 1) / kMaxPieces;
    parallel((count + length - 1) / length, [&](Index piece, const Scratch<Scalar>& scratch) {
      body(piece, piece * length, (std::min)(count, (piece + 1) * length), scratch);
    });
  }

 private:
  const Scratch<Scalar>* scratches_;
  int threads_;
};

namespace detail {

/// What norms of a step must stay below for value - lr step to fit the scalar, where the values are
/// below step_limit(0) as well.
template <typename Scalar>
double step_limit(double lr) {
  return static_cast<double>((std::numeric_limits<Scalar>::max)()) / 2 / (std::max)(1.0, lr);
}

/// Updates a parameter panel by panel: f(panel, value, scratch) changes the parameter's panel, of
/// the master copy where there is one, which is then rounded into the model.
/// Scratch: panel_size(rank) scalars, the first ones.
template <typename Scalar, typename F>
void update_parameter(const FactorView& model, const FactorView& master, const Team<Scalar>& team,
                      const F& f) {
  const FactorView& target = master.data != nullptr ? master : model;
  const PanelLayout layout(model);
  team.parallel_ranges(layout.count(),
                       [&](Index, Index first, Index last, const Scratch<Scalar>& scratch) {
                         for (Index panel = first; panel < last; ++panel) {
                           const auto value = edit_panel(target, layout, panel, scratch.scalars);
                           f(panel, value, scratch);
                           write_panel<Scalar>({value.data, value.stride}, target, layout, panel);
                           if (master.data != nullptr)
                             write_panel<Scalar>({value.data, value.stride}, model, layout, panel);
                         }
                       });
}

/// AdamW on one panel of a parameter. \param scratch 2 panel_size(rank) elements.
template <typename Scalar>
void adamw_panel(const AdamConstants<Scalar>& constants, const PanelLayout& layout, Index panel,
                 const Panel<const Scalar>& grad, const FactorView& exp_avg,
                 const FactorView& exp_avg_sq, const Panel<Scalar>& value, Scalar* scratch) {
  const auto m = edit_panel(exp_avg, layout, panel, scratch);
  const auto v = edit_panel(exp_avg_sq, layout, panel, scratch + panel_size(layout.rank()));
  const Index length = layout.row_length(panel);
  // Consecutive rows count as one: the ragged ends of short rows would cost a packet each.
  const bool whole =
      length == grad.stride && length == m.stride && length == v.stride && length == value.stride;
  const Index rows = whole ? 1 : layout.rows(panel);
  const Index count = whole ? layout.rows(panel) * length : length;
  for (Index i = 0; i < rows; ++i)
    adamw_row(constants, grad.data + i * grad.stride, m.data + i * m.stride, v.data + i * v.stride,
              value.data + i * value.stride, count);
  write_panel<Scalar>({m.data, m.stride}, exp_avg, layout, panel);
  write_panel<Scalar>({v.data, v.stride}, exp_avg_sq, layout, panel);
}

/// value = keep value - rate step on one panel.
template <typename Scalar>
void descend_panel(double keep, double rate, const PanelLayout& layout, Index panel,
                   const Panel<const Scalar>& step, const Panel<Scalar>& value) {
  const Index length = layout.row_length(panel);
  const bool whole = length == step.stride && length == value.stride;
  const Index rows = whole ? 1 : layout.rows(panel);
  const Index count = whole ? layout.rows(panel) * length : length;
  for (Index i = 0; i < rows; ++i)
    descend_row(static_cast<Scalar>(keep), static_cast<Scalar>(rate), step.data + i * step.stride,
                value.data + i * value.stride, count);
}

/// View of a state buffer that has the logical shape of lora_A or lora_B, rank first.
template <typename T>
FactorView state_of_A(Buffer<T>& buffer, Index rank, Index in_features) {
  return {buffer.data(), storage_type<T>(), rank, in_features, in_features, 1};
}
template <typename T>
FactorView state_of_B(Buffer<T>& buffer, Index rank, Index out_features) {
  return {buffer.data(), storage_type<T>(), rank, out_features, 1, rank};
}

}  // namespace detail

LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/adam.hpp>
#include <lorapro/optim/optimizer_config.hpp>
#include <lorapro/optim/state.hpp>

#include <string>  // std::string

LORAPRO_NAMESPACE_BEGIN

/// \file
/// What a rule is. A rule is a type with three members, all static but the states:
///
/// \code
/// struct MyRule {
///   template <typename Scalar> struct PairState {          // what is kept for one LoRA pair
///     PairState(Index out_features, Index in_features, Index rank);
///     template <typename Visitor> void visit(Visitor&& v);  // v("name", StateTensor) for each part
///     static Index scratch_size(Index out_features, Index in_features, Index rank);  // of Scalar
///     static Index wide_scratch_size(Index rank);                                    // of Wide
///     // Reads, checks, measures; writes nothing but what step() forgets (no moments, no factors).
///     Preparation prepare(const Pair&, const StepContext&, const Scratch<Scalar>&);
///     // Updates moments and parameters; called only where prepare said ok or rank_deficient.
///     void update(const Pair&, const StepContext&, const Scratch<Scalar>&);
///   };
///   template <typename Scalar> struct DenseState { ... };   // the same for a DenseView
/// };
/// \endcode
///
/// Optimizer<Scalar, MyRule> does the rest: groups, schedule, clipping, counters, masters, threads.

/// A pair as rules see it.
struct Pair {
  PairFactors model;    ///< the factors that the gradients belong to, and the gradients
  FactorView master_A;  ///< copies in the compute scalar; no data unless the model is stored in less
  FactorView master_B;
  Index out_features = 0;
  Index in_features = 0;
  Index rank = 0;
};

/// A dense parameter as rules see it: factors of rank 1.
struct Dense {
  FactorView value;
  FactorView grad;
  FactorView master;
};

/// What is the same for every element of one parameter in one step.
struct StepContext {
  const OptimizerConfig* config = nullptr;
  double lr = 0;          ///< with the schedule's factor
  double decay = 1;       ///< factor of A and B (or of the dense parameter) before the update
  double grad_scale = 1;  ///< 1 / (loss scale x accumulated batches)
  double clip = 1;        ///< factor of the gradient from clipping; 1 during prepare
  std::int64_t step = 1;  ///< of this parameter, from 1
  std::uint64_t rounding_key = 0;
  ClipNorm clip_norm = ClipNorm::none;
};

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

namespace detail {

/// Sum of squares in the wide scalar, not finite if an element is not. \cost 2 flops an element.
inline Wide squared_norm(const FactorView& factor, Wide* scratch) {
  Wide sum = 0;
  for (Index panel = 0; panel < panel_count(factor.length); ++panel) {
    load_panel(factor, panel, scratch);
    const Index width = padded_width(panel_width(factor.length, panel));
    for (Index k = 0; k < factor.rank; ++k)
      sum += row_dot(scratch + k * kPanelWidth, scratch + k * kPanelWidth, width);
  }
  return sum;
}

/// p <- decay p - lr d for a parameter and, if there is one, its master copy.
/// \param direction  called as direction(panel, width, d): fills d (rank, width) of that panel.
/// \param scratch    2 rank kPanelWidth elements.
template <typename Scalar, typename Direction>
void update_parameter(const FactorView& model, const FactorView& master, double decay, double lr,
                      Scalar* scratch, const Direction& direction) {
  const FactorView& target = master.data != nullptr ? master : model;
  const auto keep = static_cast<Scalar>(decay);
  const auto rate = static_cast<Scalar>(lr);
  Scalar* const value = scratch;
  Scalar* const d = scratch + model.rank * kPanelWidth;
  for (Index panel = 0; panel < panel_count(model.length); ++panel) {
    const Index width = padded_width(panel_width(model.length, panel));
    direction(panel, width, d);
    load_panel(target, panel, value);
    for (Index k = 0; k < model.rank; ++k)
      for (Index i = k * kPanelWidth; i < k * kPanelWidth + width; ++i)
        value[i] = keep * value[i] - rate * d[i];
    store_panel(value, target, panel);
    if (master.data != nullptr) store_panel(value, model, panel);
  }
}

/// Adam on a panel: the gradient in d becomes the direction; moments have the factor's layout.
/// \param scratch  2 rank kPanelWidth elements.
template <typename Scalar>
void adam_panel(const AdamConstants<Scalar>& constants, const FactorView& exp_avg,
                const FactorView& exp_avg_sq, Index panel, Scalar* d, Scalar* scratch) {
  Scalar* const m = scratch;
  Scalar* const v = scratch + exp_avg.rank * kPanelWidth;
  load_panel(exp_avg, panel, m);
  load_panel(exp_avg_sq, panel, v);
  const Index width = padded_width(panel_width(exp_avg.length, panel));
  for (Index k = 0; k < exp_avg.rank; ++k)
    adam_row(constants, m + k * kPanelWidth, v + k * kPanelWidth, d + k * kPanelWidth, width, 0, 0);
  store_panel(m, exp_avg, panel);
  store_panel(v, exp_avg_sq, panel);
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

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/element_checks.hpp>
#include <lorapro/optim/factor_update.hpp>

#include <array>  // std::array

LORAPRO_NAMESPACE_BEGIN

/// What is the same for all elements of a parameter in one step of an element-wise rule.
struct ElementStep {
  const OptimizerConfig& config;
  double lr = 0;
  double decay = 1;       ///< the value is multiplied by it, before or as it is updated
  double grad_scale = 1;  ///< and clip: both multiply the gradient
  double clip = 1;
  std::int64_t step = 1;  ///< of this parameter, from 1

  ElementStep(const Factor& factor, const StepContext& context)
      : config(*context.config),
        lr(factor.lr),
        decay(factor.decay),
        grad_scale(context.grad_scale),
        clip(context.clip),
        step(context.step) {}
};

/// Consecutive elements of a parameter, with their gradient and state.
template <typename Scalar, std::size_t kStates>
struct ElementRow {
  Index count;
  const Scalar* grad;
  Scalar* value;
  std::array<Scalar*, kStates> state;
};

namespace detail {

template <typename Rule>
inline constexpr std::size_t kStatesOf = Rule::kState.size();

/// Applies a rule's Update to one panel. \param scratch  a panel for each state.
template <typename Rule, typename Scalar>
void update_panel(const typename Rule::template Update<Scalar>& update, const PanelAt& at,
                  const Panel<const Scalar>& grad,
                  const std::array<FactorView, kStatesOf<Rule>>& states, const Panel<Scalar>& value,
                  WorkspaceOf<Scalar> scratch) {
  constexpr std::size_t kStates = kStatesOf<Rule>;
  std::array<Panel<Scalar>, kStates> panels;
  const Index length = at.layout.row_length(at.panel);
  bool whole = length == grad.stride && length == value.stride;
  for (std::size_t k = 0; k < kStates; ++k) {
    panels[k] =
        edit_panel(states[k], at.layout, at.panel, scratch.vector(panel_size(at.layout.rank())));
    whole = whole && length == panels[k].stride;
  }
  for_rows(at, whole, [&](Index i, Index count) {
    ElementRow<Scalar, kStates> row{
        count, grad.data + i * grad.stride, value.data + i * value.stride, {}};
    for (std::size_t k = 0; k < kStates; ++k) row.state[k] = panels[k].data + i * panels[k].stride;
    update(row);
  });
  for (std::size_t k = 0; k < kStates; ++k)
    write_panel(read_only(panels[k]), states[k], at.layout, at.panel);
}

/// A factor or a dense parameter by an element-wise rule.
/// Scratch: 2 panels and one for each state.
template <typename Rule, typename Scalar>
void update_elements(const Factor& factor, const std::array<FactorView, kStatesOf<Rule>>& states,
                     const StepContext& context, const Team<Scalar>& team) {
  const typename Rule::template Update<Scalar> update(ElementStep(factor, context));
  update_factor(
      factor, team, [&](const PanelAt& at, const Panel<Scalar>& value, Scratch<Scalar> scratch) {
        const auto grad = read_panel(factor.grad, at.layout, at.panel,
                                     scratch.scalars.vector(panel_size(at.layout.rank())));
        update_panel<Rule>(update, at, grad, states, value, scratch.scalars);
      });
}

template <typename Rule>
RuleWorkspace elementwise_workspace(Index rank, Index size) {
  return {(2 + static_cast<Index>(kStatesOf<Rule>)) * panel_size(rank), panel_size(rank), 0,
          size / 4};
}

}  // namespace detail

/// Both factors of a pair by an element-wise rule: the gradients of A and B as they are.
/// State: Rule::kState of each factor, "exp_avg_A" and so on.
template <typename Rule, typename Scalar>
class ElementwisePair {
 public:
  explicit ElementwisePair(const PairShape& shape) {
    for (auto& state : states_) state = FactorState<Scalar>::of(shape);
  }
  template <typename Visitor>
  void visit(Visitor&& visitor) {
    for (std::size_t k = 0; k < kStates; ++k) visit_sides(Rule::kState[k], states_[k], visitor);
  }
  static RuleWorkspace workspace(const PairShape& shape) {
    return detail::elementwise_workspace<Rule>(
        shape.rank, (shape.out_features + shape.in_features) * shape.rank);
  }

  Preparation prepare(const PairStep<Scalar>& step) {
    return prepare_elements(step, Rule::template largest_gradient<Scalar>(step.pair.largest_lr()));
  }
  void update(const PairStep<Scalar>& step) {
    for (const Side side : kSides) {
      std::array<FactorView, kStates> states;
      for (std::size_t k = 0; k < kStates; ++k) states[k] = states_[k][side].view();
      detail::update_elements<Rule>(step.pair[side], states, step.context, step.team);
    }
  }

 private:
  static constexpr std::size_t kStates = detail::kStatesOf<Rule>;
  std::array<PerSide<FactorState<Scalar>>, kStates> states_;
};

/// A parameter without factors (head, norm, bias, or a matrix under full fine-tuning) by an
/// element-wise rule. State: Rule::kState, of the parameter's size each.
template <typename Rule, typename Scalar>
class ElementwiseDense {
 public:
  explicit ElementwiseDense(const Dense& dense) {
    for (auto& state : states_) state = Buffer<Scalar>(dense.size());
  }
  template <typename Visitor>
  void visit(Visitor&& visitor) {
    for (std::size_t k = 0; k < kStates; ++k)
      visitor(std::string(Rule::kState[k]), StateTensor(states_[k].data(), 1, states_[k].size()));
  }
  static RuleWorkspace workspace(const Dense& dense) {
    return detail::elementwise_workspace<Rule>(Dense::kRow, dense.size());
  }

  Preparation prepare(const DenseStep<Scalar>& step) {
    return prepare_elements(step, Rule::template largest_gradient<Scalar>(step.dense.factor.lr));
  }
  void update(const DenseStep<Scalar>& step) {
    const FactorView& value = step.dense.factor.value;
    std::array<FactorView, kStates> states;
    for (std::size_t k = 0; k < kStates; ++k)
      states[k] = {states_[k].data(), storage_type<Scalar>(), value.rank, value.length, 1,
                   value.rank};
    detail::update_elements<Rule>(step.dense.factor, states, step.context, step.team);
  }

 private:
  static constexpr std::size_t kStates = detail::kStatesOf<Rule>;
  std::array<Buffer<Scalar>, kStates> states_;
};

LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/elementwise.hpp>
#include <lorapro/optim/lora_pro_step.hpp>

LORAPRO_NAMESPACE_BEGIN

/// One factor by an element-wise rule on its gradient times an r x r matrix,
///
///     A:  matrix() grad_A        B:  grad_B matrix()^T
///
/// which is what rules that precondition gradients have in common. State: that of the element-wise
/// rule.
/// \cost 4 r^2 length flops an update; no heap.
template <typename ElementRule, typename Scalar>
class PreconditionedFactor {
 public:
  PreconditionedFactor(Side side, const PairShape& shape)
      : side_(side), combination_(shape.rank), arena_(2 * square_size(shape.rank)) {
    for (auto& state : states_) state = FactorState<Scalar>(side, shape);
    matrix_ = arena_.square(shape.rank);
    zero_ = arena_.square(shape.rank);
    arena_.close();
  }
  /// Of both factors.
  static PerSide<PreconditionedFactor> of(const PairShape& shape) {
    return {PreconditionedFactor(Side::A, shape), PreconditionedFactor(Side::B, shape)};
  }

  template <typename Visitor>
  void visit(Visitor&& visitor) {
    const char* const ending = side_ == Side::A ? "_A" : "_B";
    for (std::size_t k = 0; k < kStates; ++k)
      visitor(std::string(ElementRule::kState[k]) + ending, states_[k].tensor());
  }

  /// Of a pair, with what its solver needs.
  static RuleWorkspace workspace(const PairShape& shape) {
    return {(4 + static_cast<Index>(kStates)) * panel_size(shape.rank),
            PairSolver::scratch_size(shape.rank), 0,
            (shape.out_features + shape.in_features) * shape.rank * shape.rank / 16};
  }

  /// What the gradient is multiplied by in the coming step, to be written before set.
  Square matrix() const { return matrix_; }

  /// Takes the matrix as it is. \pre The solver has inspected the pair.
  /// \param conditioning  of the matrix, as FactorCombination::set has it.
  /// \return whether an update cannot overflow.
  [[nodiscard]] bool set(const PairStep<Scalar>& step, double conditioning) {
    const PairSolver& solver = *step.solver;
    const Factor& factor = step.pair[side_];
    const double bound = norm(matrix_) * solver.grad_norm(side_) * step.context.grad_scale;
    return detail::is_below(bound, ElementRule::template largest_gradient<Scalar>(factor.lr)) &&
           detail::is_below(solver.factor_norm(side_), detail::step_limit<Scalar>(0)) &&
           combination_.set({matrix_, zero_}, conditioning, PanelLayout(factor.value));
  }

  void update(const PairStep<Scalar>& step) {
    const Factor& factor = step.pair[side_];
    const typename ElementRule::template Update<Scalar> update(ElementStep(factor, step.context));
    std::array<FactorView, kStates> states;
    for (std::size_t k = 0; k < kStates; ++k) states[k] = states_[k].view();
    update_adjusted(factor, combination_, step.team,
                    [&](const PanelAt& at, const Panel<const Scalar>& h, const Panel<Scalar>& value,
                        const Scratch<Scalar>& scratch) {
                      detail::update_panel<ElementRule>(update, at, h, states, value,
                                                        scratch.scalars);
                    });
  }

 private:
  static constexpr std::size_t kStates = detail::kStatesOf<ElementRule>;

  Side side_;
  std::array<FactorState<Scalar>, kStates> states_;
  FactorCombination<Scalar> combination_;
  Arena arena_;
  Square matrix_;
  Square zero_;  // stays so
};

LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/dense_slot.hpp>
#include <lorapro/optim/pair_slot.hpp>
#include <lorapro/optim/rule_checks.hpp>

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// The spectra of a rule that needs none.
struct NoSolver {
  explicit NoSolver(Index) {}
};

/// A pair with the state of a rule.
template <typename Scalar, typename Rule>
class RulePairSlot final : public PairSlot<Scalar> {
  static constexpr bool kNeedsSpectra = RuleStates<Rule, Scalar>::kNeedsSpectra;
  using State = typename RuleStates<Rule, Scalar>::Pair;
  using Solver = std::conditional_t<kNeedsSpectra, PairSolver, NoSolver>;

 public:
  RulePairSlot(const GivenPair& given, const std::string& name_)
      : PairSlot<Scalar>(given, name_), state_(this->shape()), solver_(this->shape().rank) {
    this->cost_ns = RulePairSlot::workspace().cost_ns;
    if constexpr (kNeedsSpectra) this->solver = &solver_;
  }

  const char* rule() const override { return Rule::kName; }
  RuleWorkspace workspace() const override { return State::workspace(this->shape()); }
  bool moves_one_factor() const override { return Rule::kMovesOneFactor; }
  PerSide<bool> grad_grams() const override {
    if constexpr (kNeedsSpectra) {
      return State::grad_grams(this->context);
    } else {
      return {};
    }
  }
  Preparation prepare(const Team<Scalar>& team) override { return state_.prepare(in_step(team)); }
  void update(const Team<Scalar>& team) override { state_.update(in_step(team)); }
  void visit_state(const StateVisitor& visitor) override { state_.visit(visitor); }
  void clear_state() override { state_ = State(this->shape()); }

 private:
  PairStep<Scalar> in_step(const Team<Scalar>& team) const {
    return {this->pair, this->context, team, this->solver};
  }

  State state_;
  Solver solver_;
};

/// A dense parameter with the state of a rule.
template <typename Scalar, typename Rule>
class RuleDenseSlot final : public DenseSlot<Scalar> {
  using State = typename RuleStates<Rule, Scalar>::Dense;

 public:
  RuleDenseSlot(const GivenDense& given, const std::string& name_)
      : DenseSlot<Scalar>(given, name_), state_(this->dense) {
    this->cost_ns = RuleDenseSlot::workspace().cost_ns;
  }

  const char* rule() const override { return Rule::kName; }
  RuleWorkspace workspace() const override { return State::workspace(this->dense); }
  Preparation prepare(const Team<Scalar>& team) override { return state_.prepare(in_step(team)); }
  void update(const Team<Scalar>& team) override { state_.update(in_step(team)); }
  void visit_state(const StateVisitor& visitor) override { state_.visit(visitor); }

 private:
  DenseStep<Scalar> in_step(const Team<Scalar>& team) const {
    return {this->dense, this->context, team};
  }

  State state_;
};

}  // namespace detail

LORAPRO_NAMESPACE_END

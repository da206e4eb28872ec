// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/elementwise.hpp>

#include <type_traits>  // std::void_t

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// \name Whether a type has a member as rule.hpp wants it
/// @{
template <typename T, typename = void>
struct HasName : std::false_type {};
template <typename T>
struct HasName<T, std::enable_if_t<std::is_convertible_v<decltype(T::kName), const char*>>>
    : std::true_type {};

template <typename T, typename = void>
struct HasStateNames : std::false_type {};
template <typename T>
struct HasStateNames<
    T,
    std::enable_if_t<std::is_same_v<
        std::remove_const_t<decltype(T::kState)>,
        std::array<const char*, std::tuple_size<std::remove_const_t<decltype(T::kState)>>::value>>>>
    : std::true_type {};

template <typename Rule, typename Scalar, typename = void>
struct HasUpdate : std::false_type {};
template <typename Rule, typename Scalar>
struct HasUpdate<Rule, Scalar,
                 std::void_t<decltype(std::declval<const typename Rule::template Update<Scalar>&>()(
                     std::declval<const ElementRow<Scalar, kStatesOf<Rule>>&>()))>>
    : std::is_constructible<typename Rule::template Update<Scalar>, const ElementStep&> {};

template <typename Rule, typename Scalar, typename = void>
struct HasPairState : std::false_type {};
template <typename Rule, typename Scalar>
struct HasPairState<Rule, Scalar, std::void_t<typename Rule::template PairState<Scalar>>>
    : std::is_constructible<typename Rule::template PairState<Scalar>, const PairShape&> {};

template <typename Rule, typename Scalar, typename = void>
struct HasDenseState : std::false_type {};
template <typename Rule, typename Scalar>
struct HasDenseState<Rule, Scalar, std::void_t<typename Rule::template DenseState<Scalar>>>
    : std::is_constructible<typename Rule::template DenseState<Scalar>, const Dense&> {};

struct NoVisitor {
  template <typename Tensor>
  void operator()(const std::string&, Tensor) const {}
};
template <typename State, typename = void>
struct HasVisit : std::false_type {};
template <typename State>
struct HasVisit<State, std::void_t<decltype(std::declval<State&>().visit(NoVisitor()))>>
    : std::true_type {};

template <typename State, typename Shape, typename = void>
struct HasWorkspace : std::false_type {};
template <typename State, typename Shape>
struct HasWorkspace<State, Shape,
                    std::void_t<decltype(State::workspace(std::declval<const Shape&>()))>>
    : std::is_same<decltype(State::workspace(std::declval<const Shape&>())), RuleWorkspace> {};

template <typename State, typename Step, typename = void>
struct HasPrepare : std::false_type {};
template <typename State, typename Step>
struct HasPrepare<
    State, Step, std::void_t<decltype(std::declval<State&>().prepare(std::declval<const Step&>()))>>
    : std::is_same<decltype(std::declval<State&>().prepare(std::declval<const Step&>())),
                   Preparation> {};

template <typename State, typename Step, typename = void>
struct HasStepUpdate : std::false_type {};
template <typename State, typename Step>
struct HasStepUpdate<
    State, Step, std::void_t<decltype(std::declval<State&>().update(std::declval<const Step&>()))>>
    : std::true_type {};

template <typename State, typename = void>
struct HasGradGrams : std::false_type {};
template <typename State>
struct HasGradGrams<State,
                    std::void_t<decltype(State::grad_grams(std::declval<const StepContext&>()))>>
    : std::is_same<decltype(State::grad_grams(std::declval<const StepContext&>())), PerSide<bool>> {
};
/// @}

template <typename Rule>
inline constexpr bool is_elementwise = std::is_base_of_v<ElementwiseRule, Rule>;

/// A rule's states for Optimizer, whichever kind of rule it is.
template <typename Rule, typename Scalar, bool kElementwise = is_elementwise<Rule>>
struct RuleStates {
  using Pair = ElementwisePair<Rule, Scalar>;
  using Dense = ElementwiseDense<Rule, Scalar>;
  static constexpr bool kNeedsSpectra = false;
};
template <typename Rule, typename Scalar>
struct RuleStates<Rule, Scalar, false> {
  using Pair = typename Rule::template PairState<Scalar>;
  using Dense = typename Rule::template DenseState<Scalar>;
  static constexpr bool kNeedsSpectra = Rule::kNeedsSpectra;
};

template <typename Rule, typename Scalar>
constexpr bool check_elementwise_rule() {
  static_assert(HasStateNames<Rule>::value,
                "ElementwiseRule: a rule needs static constexpr std::array<const char*, n> kState, "
                "the names of its state (n = 0: none)");
  if constexpr (HasStateNames<Rule>::value)
    static_assert(HasUpdate<Rule, Scalar>::value,
                  "ElementwiseRule: a rule needs template <typename Scalar> struct Update with the "
                  "constructor Update(const ElementStep&) and void operator()(const "
                  "ElementRow<Scalar, kState.size()>&) const");
  return true;
}

template <typename State, typename Shape, typename Step>
constexpr void check_state() {
  static_assert(HasVisit<State>::value,
                "PairRule: PairState and DenseState need template <typename Visitor> void "
                "visit(Visitor&& visitor), which calls visitor(std::string, StateTensor)");
  static_assert(HasWorkspace<State, Shape>::value,
                "PairRule: PairState needs static RuleWorkspace workspace(const PairShape&), "
                "DenseState static RuleWorkspace workspace(const Dense&)");
  static_assert(
      HasPrepare<State, Step>::value,
      "PairRule: PairState needs Preparation prepare(const PairStep<Scalar>&), DenseState "
      "Preparation prepare(const DenseStep<Scalar>&)");
  static_assert(HasStepUpdate<State, Step>::value,
                "PairRule: PairState needs void update(const PairStep<Scalar>&), DenseState void "
                "update(const DenseStep<Scalar>&)");
}

template <typename Rule, typename Scalar>
constexpr bool check_pair_rule() {
  static_assert(HasPairState<Rule, Scalar>::value,
                "PairRule: a rule needs template <typename Scalar> PairState with the constructor "
                "PairState(const PairShape&)");
  static_assert(HasDenseState<Rule, Scalar>::value,
                "PairRule: a rule needs template <typename Scalar> DenseState with the constructor "
                "DenseState(const Dense&), as ElementwiseDense<AdamWRule, Scalar> is one");
  if constexpr (HasPairState<Rule, Scalar>::value && HasDenseState<Rule, Scalar>::value) {
    using State = typename Rule::template PairState<Scalar>;
    check_state<State, PairShape, PairStep<Scalar>>();
    check_state<typename Rule::template DenseState<Scalar>, Dense, DenseStep<Scalar>>();
    static_assert(!Rule::kNeedsSpectra || HasGradGrams<State>::value,
                  "PairRule: a rule that needs spectra needs static PerSide<bool> grad_grams(const "
                  "StepContext&) in its PairState");
  }
  return true;
}

/// What rule.hpp asks of a rule; a static_assert says what is missing.
template <typename Rule, typename Scalar>
constexpr bool check_rule() {
  static_assert(is_elementwise<Rule> || std::is_base_of_v<PairRule, Rule>,
                "Optimizer: Rule must derive from lorapro::ElementwiseRule or lorapro::PairRule");
  static_assert(HasName<Rule>::value,
                "Optimizer: a rule needs static constexpr const char* kName, by which checkpoints "
                "know it");
  if constexpr (is_elementwise<Rule>) {
    return check_elementwise_rule<Rule, Scalar>();
  } else if constexpr (std::is_base_of_v<PairRule, Rule>) {
    return check_pair_rule<Rule, Scalar>();
  } else {
    return false;
  }
}

}  // namespace detail

LORAPRO_NAMESPACE_END

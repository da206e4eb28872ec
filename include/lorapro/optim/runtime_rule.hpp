// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/compiled_rules.hpp>
#include <lorapro/optim/crew_stepper.hpp>
#include <lorapro/optim/rule_slots.hpp>

#include <memory>  // std::unique_ptr

LORAPRO_NAMESPACE_BEGIN

/// A rule at run time: all that an optimizer in Scalar needs to know of it. What is compiled for
/// each rule is behind these pointers; the rest of an optimizer is compiled once.
template <typename Scalar>
struct RuntimeRule {
  const char* name;          ///< kName
  double beta1;              ///< RuleDefaults::kBeta1
  double max_relative_move;  ///< RuleDefaults::kMaxRelativeMove
  std::unique_ptr<detail::PairSlot<Scalar>> (*pair_slot)(const detail::GivenPair& given,
                                                         const std::string& name);
  std::unique_ptr<detail::DenseSlot<Scalar>> (*dense_slot)(const detail::GivenDense& given,
                                                           const std::string& name);
  /// \param threads  OptimizerConfig::threads.
  std::unique_ptr<detail::Stepper<Scalar>> (*stepper)(int threads);

  /// The options with what the rule decides where the user has not.
  OptimizerConfig resolved(const OptimizerConfig& config) const {
    return config.with_defaults(beta1, max_relative_move);
  }
};

namespace detail {

/// As the translation unit compiles it.
template <typename Scalar, typename Rule>
const RuntimeRule<Scalar>& instantiated_rule() {
  static constexpr RuntimeRule<Scalar> rule{
      Rule::kName,
      Rule::kBeta1,
      Rule::kMaxRelativeMove,
      [](const GivenPair& given, const std::string& name) -> std::unique_ptr<PairSlot<Scalar>> {
        return std::make_unique<RulePairSlot<Scalar, Rule>>(given, name);
      },
      [](const GivenDense& given, const std::string& name) -> std::unique_ptr<DenseSlot<Scalar>> {
        return std::make_unique<RuleDenseSlot<Scalar, Rule>>(given, name);
      },
      [](int threads) -> std::unique_ptr<Stepper<Scalar>> {
        return std::make_unique<CrewStepper<Scalar>>(thread_count(threads));
      }};
  return rule;
}

template <typename Scalar, typename Rule>
inline constexpr std::size_t kCompiledIndex = CompiledRules<Scalar>::template index_of<Rule>();
template <typename Scalar, typename Rule>
inline constexpr bool is_compiled_rule =
    kCompiledIndex<Scalar, Rule> < CompiledRules<Scalar>::kSize;

/// check_rule, but for what the library has, of which there may be a declaration only.
template <typename Scalar, typename Rule>
constexpr bool check_runtime_rule() {
  if constexpr (is_compiled_rule<Scalar, Rule>) {
    return true;
  } else {
    return check_rule<Rule, Scalar>();
  }
}

}  // namespace detail

/// Of a type that rule.hpp describes.
template <typename Scalar, typename Rule>
const RuntimeRule<Scalar>& runtime_rule() {
  static_assert(detail::check_runtime_rule<Scalar, Rule>());
  if constexpr (detail::is_compiled_rule<Scalar, Rule>) {
    return detail::compiled_rule<Scalar>(detail::kCompiledIndex<Scalar, Rule>);
  } else {
    return detail::instantiated_rule<Scalar, Rule>();
  }
}

LORAPRO_NAMESPACE_END

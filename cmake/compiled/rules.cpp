// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// Every rule in LORAPRO_COMPILED_SCALAR, for the instruction set that this file is compiled for:
// the function LORAPRO_COMPILED_TABLE, all that is seen of it from outside.

#include <lorapro/optim/rules.hpp>

LORAPRO_NAMESPACE_BEGIN
namespace detail {

namespace {

using Scalar = LORAPRO_COMPILED_SCALAR;

template <typename... R>
const RuntimeRule<Scalar>& rule_of(std::size_t index, const RuleList<R...>&) {
  static const RuntimeRule<Scalar>* const rules[] = {&instantiated_rule<Scalar, R>()...};
  return *rules[index];
}

}  // namespace

const RuntimeRule<Scalar>& LORAPRO_COMPILED_TABLE(std::size_t index) {
  return rule_of(index, CompiledRules<Scalar>());
}

}  // namespace detail
LORAPRO_NAMESPACE_END

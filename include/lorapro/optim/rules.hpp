// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/error.hpp>
#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/adaprelora_rule.hpp>
#include <lorapro/optim/altlora_rule.hpp>
#include <lorapro/optim/lion_rule.hpp>
#include <lorapro/optim/loft_rule.hpp>
#include <lorapro/optim/lora_fa_rule.hpp>
#include <lorapro/optim/lora_muon_rule.hpp>
#include <lorapro/optim/lora_pro_adapter_rule.hpp>
#include <lorapro/optim/lora_pro_factored_rule.hpp>
#include <lorapro/optim/lora_pro_full_rule.hpp>
#include <lorapro/optim/lora_pro_sgd_rule.hpp>
#include <lorapro/optim/lora_pro_spectral_rule.hpp>
#include <lorapro/optim/lora_rite_rule.hpp>
#include <lorapro/optim/muon_rule.hpp>
#include <lorapro/optim/reflora_rule.hpp>
#include <lorapro/optim/reflora_s_rule.hpp>
#include <lorapro/optim/rule_list.hpp>
#include <lorapro/optim/runtime_rule.hpp>
#include <lorapro/optim/scaled_rule.hpp>
#include <lorapro/optim/sgd_rule.hpp>

#include <string>       // std::string
#include <string_view>  // std::string_view
#include <vector>       // std::vector

LORAPRO_NAMESPACE_BEGIN

/// A rule as an argument.
template <typename R>
struct RuleTag {
  using Rule = R;
};

namespace detail {

template <typename... R>
std::vector<std::string> names_of(RuleList<R...>) {
  return {R::kName...};
}

template <typename F, typename First, typename... Rest>
decltype(auto) visit_rule_in(RuleList<First, Rest...>, std::string_view name, const F& f) {
  if constexpr (sizeof...(Rest) == 0) {
    (void)name;
    return f(RuleTag<First>{});
  } else {
    if (name == First::kName) return f(RuleTag<First>{});
    return visit_rule_in(RuleList<Rest...>{}, name, f);
  }
}

}  // namespace detail

/// The names of all rules.
inline std::vector<std::string> rule_names() { return detail::names_of(AllRules<float>{}); }

/// Calls f(RuleTag<Rule>{}) with the rule of this name, and returns what it returns: the same type
/// for every rule. What f does is compiled for each of them.
/// \throws ConfigError (no such rule).
template <typename Scalar, typename F>
decltype(auto) visit_rule(std::string_view name, const F& f) {
  std::string known;
  for (const std::string& one : rule_names()) {
    if (one == name) return detail::visit_rule_in(AllRules<Scalar>{}, name, f);
    known += (known.empty() ? "" : ", ") + one;
  }
  throw ConfigError("rule: expected one of " + known + ", got \"" + std::string(name) + "\"");
}

/// The rule of this name. \throws ConfigError (no such rule).
template <typename Scalar>
const RuntimeRule<Scalar>& runtime_rule(std::string_view name) {
  return visit_rule<Scalar>(name, [](auto tag) -> const RuntimeRule<Scalar>& {
    return runtime_rule<Scalar, typename decltype(tag)::Rule>();
  });
}

LORAPRO_NAMESPACE_END

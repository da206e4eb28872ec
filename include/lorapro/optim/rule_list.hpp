// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/lora_pro_rule.hpp>

#include <cstddef>      // std::size_t
#include <cstdint>      // std::int64_t
#include <type_traits>  // std::is_same_v

LORAPRO_NAMESPACE_BEGIN

/// \file
/// Which rules there are, by their declarations: rules.hpp has them with their definitions.

struct AdamWRule;
struct SgdRule;
struct LionRule;
struct MuonRule;
struct ScaledGdRule;
struct ScaledAdamWRule;
struct LoraFaRule;
struct LoraMuonRule;
struct ImuonRule;
template <std::int64_t kWarmup = 100>
struct RefLoraRule;
template <std::int64_t kWarmup = 100>
struct RefLoraSRule;
struct AltLoraRule;
struct AltLoraPlusRule;
struct AdaPreLoraRule;
struct LoraRiteRule;
struct LoftRule;

template <typename... R>
struct RuleList {
  static constexpr std::size_t kSize = sizeof...(R);

  /// With one more at the end.
  template <typename Rule>
  using With = RuleList<R..., Rule>;

  /// The place of a rule in the list; kSize where it is not in it.
  template <typename Rule>
  static constexpr std::size_t index_of() {
    constexpr bool same[] = {std::is_same_v<Rule, R>..., true};
    std::size_t index = 0;
    while (!same[index]) ++index;
    return index;
  }
};

/// Every rule of the library that an optimizer in Scalar can have, each under its kName; the
/// default first.
template <typename Scalar>
using AllRules =
    RuleList<LoraPro<SpectralMoments>, LoraPro<FullMoments<Scalar>>, LoraPro<FactoredMoments>,
             LoraPro<AdapterMoments>, LoraPro<NoMoments>, AdamWRule, SgdRule, LionRule, MuonRule,
             ScaledGdRule, ScaledAdamWRule, LoraFaRule, LoraMuonRule, ImuonRule, RefLoraRule<>,
             RefLoraSRule<>, AltLoraRule, AltLoraPlusRule, AdaPreLoraRule, LoraRiteRule, LoftRule>;

LORAPRO_NAMESPACE_END

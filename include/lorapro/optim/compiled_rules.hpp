// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/rule_list.hpp>

#include <string>  // std::string

LORAPRO_NAMESPACE_BEGIN

/// \file
/// What a translation unit leaves to the library lorapro::compiled, whose target defines
/// LORAPRO_COMPILED: every rule of the library in float and double, compiled for several
/// instruction sets, of which the machine's is taken. Without it nothing.

template <typename Scalar>
struct RuntimeRule;

#ifdef LORAPRO_COMPILED
/// The instruction set whose code runs: "x86-64-v4", "x86-64-v3" or "baseline", what the library
/// itself was compiled for. The environment variable LORAPRO_ISA chooses one.
/// \throws ConfigError (LORAPRO_ISA: none of these, or one that this machine lacks).
std::string compiled_isa();
#endif

namespace detail {

#ifdef LORAPRO_COMPILED
/// With moments in bfloat16 besides the rules that have a name of their own.
template <typename Scalar>
struct CompiledRules : RuleList<> {};
template <>
struct CompiledRules<float> : AllRules<float>::template With<LoraPro<FullMoments<bfloat16>>> {};
template <>
struct CompiledRules<double> : AllRules<double>::template With<LoraPro<FullMoments<bfloat16>>> {};

/// \throws as compiled_isa.
template <typename Scalar>
const RuntimeRule<Scalar>& compiled_rule(std::size_t index);
template <>
const RuntimeRule<float>& compiled_rule<float>(std::size_t index);
template <>
const RuntimeRule<double>& compiled_rule<double>(std::size_t index);
#else
template <typename Scalar>
using CompiledRules = RuleList<>;
template <typename Scalar>
const RuntimeRule<Scalar>& compiled_rule(std::size_t index);
#endif

}  // namespace detail

LORAPRO_NAMESPACE_END

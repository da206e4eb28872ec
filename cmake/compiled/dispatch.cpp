// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// Chooses among the instruction sets that the library has been compiled for.

#include <lorapro/core/error.hpp>
#include <lorapro/layer/compiled_products.hpp>
#include <lorapro/optim/compiled_rules.hpp>

#include <cstdlib>  // std::getenv

LORAPRO_NAMESPACE_BEGIN
namespace detail {

#define LORAPRO_DECLARE_TABLES(isa)                                 \
  const RuntimeRule<float>& isa##_rules_float(std::size_t index);   \
  const RuntimeRule<double>& isa##_rules_double(std::size_t index); \
  const CompiledProducts<float>& isa##_products_float();            \
  const CompiledProducts<double>& isa##_products_double();
#define LORAPRO_TABLES(isa) \
  &isa##_rules_float, &isa##_rules_double, &isa##_products_float, &isa##_products_double
LORAPRO_DECLARE_TABLES(baseline)
#ifdef LORAPRO_COMPILED_X86_64
LORAPRO_DECLARE_TABLES(v3)
LORAPRO_DECLARE_TABLES(v4)
#endif

namespace {

struct InstructionSet {
  const char* name;
  bool supported;
  const RuntimeRule<float>& (*rules_float)(std::size_t);
  const RuntimeRule<double>& (*rules_double)(std::size_t);
  const CompiledProducts<float>& (*products_float)();
  const CompiledProducts<double>& (*products_double)();
};

/// The one to take: what LORAPRO_ISA names, or the first, which is the best, that is supported.
InstructionSet choose() {
#ifdef LORAPRO_COMPILED_X86_64
  __builtin_cpu_init();
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                  __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
#endif
  const InstructionSet sets[] = {
#ifdef LORAPRO_COMPILED_X86_64
      {"x86-64-v4", v4, LORAPRO_TABLES(v4)},
      {"x86-64-v3", v3, LORAPRO_TABLES(v3)},
#endif
      {"baseline", true, LORAPRO_TABLES(baseline)}};
  const char* const wanted = std::getenv("LORAPRO_ISA");
  std::string known;
  for (const InstructionSet& set : sets) {
    if (!set.supported) continue;
    if (wanted == nullptr || *wanted == '\0' || std::string(wanted) == set.name) return set;
    known += (known.empty() ? "" : ", ") + std::string(set.name);
  }
  throw ConfigError("LORAPRO_ISA: expected one that this machine has, " + known + ", got \"" +
                    wanted + "\"");
}

const InstructionSet& chosen() {
  static const InstructionSet set = choose();
  return set;
}

}  // namespace

template <>
const RuntimeRule<float>& compiled_rule<float>(std::size_t index) {
  return chosen().rules_float(index);
}
template <>
const RuntimeRule<double>& compiled_rule<double>(std::size_t index) {
  return chosen().rules_double(index);
}
template <>
const CompiledProducts<float>& compiled_products<float>() {
  return chosen().products_float();
}
template <>
const CompiledProducts<double>& compiled_products<double>() {
  return chosen().products_double();
}

}  // namespace detail

std::string compiled_isa() { return detail::chosen().name; }

LORAPRO_NAMESPACE_END

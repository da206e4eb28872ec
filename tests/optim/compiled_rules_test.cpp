// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/compiled_rules.hpp>

#include <lorapro/optim/rules.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::detail::CompiledRules;
using Coarse = lorapro::LoraPro<lorapro::FullMoments<bfloat16>>;

/// No rule of the library.
struct OwnSgd : lorapro::SgdRule {
  static constexpr const char* kName = "own_sgd";
};

TEST_CASE("a rule of one's own is compiled where it is named", "[compiled_rules]") {
  CHECK_FALSE(lorapro::detail::is_compiled_rule<float, OwnSgd>);
  CHECK(std::string(lorapro::runtime_rule<float, OwnSgd>().name) == "own_sgd");
}

#ifdef LORAPRO_COMPILED
TEMPLATE_TEST_CASE("the library has every rule under its index", "[compiled_rules]", float,
                   double) {
  CHECK(CompiledRules<TestType>::kSize == lorapro::rule_names().size() + 1);
  for (std::size_t index = 0; index < lorapro::rule_names().size(); ++index) {
    const std::string name = lorapro::rule_names()[index];
    const auto& rule = lorapro::detail::compiled_rule<TestType>(index);
    CHECK(rule.name == name);
    CHECK(&rule == &lorapro::runtime_rule<TestType>(name));
  }
  // Of one name, but with other moments.
  const auto& coarse = lorapro::runtime_rule<TestType, Coarse>();
  CHECK(&coarse != &lorapro::runtime_rule<TestType>("lora_pro_full"));
  PairBuffers<TestType> pair(6, 5, 2, 1.0, 1);
  BaseOptimizer<TestType> optimizer(coarse, {});
  optimizer.attach(pair.view());
  CHECK(optimizer.state_bytes() == 2 * 6 * 5 * sizeof(bfloat16));
}

TEST_CASE("the library says which instruction set runs", "[compiled_rules]") {
  // That of these tests alone: consumer/compiled has all.
  CHECK(lorapro::compiled_isa() == "baseline");
}
#else
TEST_CASE("without the library every rule is compiled where it is named", "[compiled_rules]") {
  CHECK(CompiledRules<float>::kSize == 0);
  CHECK_FALSE(lorapro::detail::is_compiled_rule<float, Coarse>);
}
#endif

}  // namespace

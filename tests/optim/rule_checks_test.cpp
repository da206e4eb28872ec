// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/rule_checks.hpp>

#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/lora_pro_spectral_rule.hpp>

#include "support/catch.hpp"

namespace {

using namespace lorapro::detail;
using lorapro::AdamWRule;
using Spectral = lorapro::LoraPro<lorapro::SpectralMoments>;

struct Nothing {};
struct NumberedName {
  static constexpr int kName = 1;
};
struct NamesWithoutArray {
  static constexpr const char* kState = "exp_avg";
};
struct OtherWorkspace {
  static int workspace(const lorapro::PairShape&) { return 0; }
};
struct ConstantGrams {
  static bool grad_grams(const lorapro::StepContext&) { return true; }
};

// What is wrong altogether is in tests/compile_fail, with the sentence that the compiler says.
TEST_CASE("members count only with the type that they should have", "[rule_checks]") {
  CHECK(HasName<AdamWRule>::value);
  CHECK_FALSE(HasName<Nothing>::value);
  CHECK_FALSE(HasName<NumberedName>::value);
  CHECK(HasStateNames<AdamWRule>::value);
  CHECK_FALSE(HasStateNames<NamesWithoutArray>::value);
  CHECK(HasUpdate<AdamWRule, float>::value);
  CHECK(HasPairState<Spectral, float>::value);
  CHECK_FALSE(HasPairState<AdamWRule, float>::value);
  using State = Spectral::PairState<float>;
  CHECK(HasWorkspace<State, lorapro::PairShape>::value);
  CHECK_FALSE(HasWorkspace<State, lorapro::Dense>::value);
  CHECK_FALSE(HasWorkspace<OtherWorkspace, lorapro::PairShape>::value);
  CHECK(HasGradGrams<State>::value);
  CHECK_FALSE(HasGradGrams<ConstantGrams>::value);
  CHECK(HasPrepare<State, lorapro::PairStep<float>>::value);
  CHECK_FALSE(HasPrepare<State, lorapro::DenseStep<float>>::value);
  CHECK(HasStepUpdate<State, lorapro::PairStep<float>>::value);
  CHECK(HasVisit<State>::value);
  CHECK_FALSE(HasVisit<Nothing>::value);
}

TEST_CASE("either kind of rule has states for an optimizer", "[rule_checks]") {
  CHECK(is_elementwise<AdamWRule>);
  CHECK_FALSE(is_elementwise<Spectral>);
  CHECK_FALSE(RuleStates<AdamWRule, float>::kNeedsSpectra);
  CHECK(RuleStates<Spectral, float>::kNeedsSpectra);
  CHECK(std::is_same_v<RuleStates<AdamWRule, double>::Pair,
                       lorapro::ElementwisePair<AdamWRule, double>>);
  CHECK(std::is_same_v<RuleStates<Spectral, double>::Pair, Spectral::PairState<double>>);
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/rule_list.hpp>

#include "support/catch.hpp"

namespace {

struct FirstOfList;
struct SecondOfList;
struct NotInList;

TEST_CASE("a list of rules knows the place of each, of declarations alone", "[rule_list]") {
  using List = lorapro::RuleList<FirstOfList, SecondOfList>;
  CHECK(List::kSize == 2);
  CHECK(List::index_of<FirstOfList>() == 0);
  CHECK(List::index_of<SecondOfList>() == 1);
  CHECK(List::index_of<NotInList>() == List::kSize);
  CHECK(List::With<NotInList>::index_of<NotInList>() == 2);
  CHECK(lorapro::RuleList<>::index_of<FirstOfList>() == 0);
}

TEST_CASE("the default rule is the first of all", "[rule_list]") {
  using Default = lorapro::LoraPro<lorapro::SpectralMoments>;
  CHECK(lorapro::AllRules<float>::index_of<Default>() == 0);
  CHECK(lorapro::AllRules<double>::index_of<Default>() == 0);
}

}  // namespace

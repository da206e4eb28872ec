// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/rules.hpp>

#include <set>  // std::set

#include "support/catch.hpp"

namespace {

TEST_CASE("every rule has a name of its own, the default the first", "[rules]") {
  const auto names = lorapro::rule_names();
  CHECK(std::set<std::string>(names.begin(), names.end()).size() == names.size());
  CHECK(names.front() == "lora_pro_spectral");
  for (const std::string& name : names)
    CHECK(name == lorapro::visit_rule<double>(
                      name, [](auto tag) { return std::string(decltype(tag)::Rule::kName); }));
}

TEST_CASE("an unknown rule is refused with the names of all", "[rules]") {
  std::string known;
  for (const std::string& name : lorapro::rule_names()) known += (known.empty() ? "" : ", ") + name;
  CHECK_THROWS_WITH(lorapro::visit_rule<float>("adam", [](auto) {}),
                    "rule: expected one of " + known + ", got \"adam\"");
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "llm/spacing.hpp"

#include "support/catch.hpp"

TEST_CASE("spaces become what a tokenizer has for them") {
  using examples::llm::Spacing;
  const std::string mark(examples::llm::kVisibleSpace);
  Spacing spacing;
  CHECK(spacing.apply(" a  b ", true) == " a  b ");
  spacing.prefix = Spacing::Prefix::unless_there;
  CHECK(spacing.apply("a", true) == " a");
  CHECK(spacing.apply(" a", true) == " a");
  spacing.visible = true;
  CHECK(spacing.apply(mark + "a b", true) == mark + "a" + mark + "b");
  spacing.prefix = Spacing::Prefix::unless_there_once;
  CHECK(spacing.apply("a", true) == mark + "a");
  CHECK(spacing.apply("a", false) == "a");
  spacing.prefix = Spacing::Prefix::always;
  CHECK(spacing.apply(" a", false) == mark + mark + "a");
  CHECK(spacing.apply("", true).empty());
  spacing.removes_extra = true;
  CHECK(spacing.apply("  a  b \n" + mark + " ", true) == mark + "a" + mark + "b" + mark + "\n");
  CHECK(spacing.apply("   ", true).empty());
}

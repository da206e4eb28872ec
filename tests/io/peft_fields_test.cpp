// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/peft_fields.hpp>

#include "support/catch.hpp"

namespace {

using lorapro::FormatError;
using lorapro::io::PatternMap;
using lorapro::io::detail::PeftFields;

const PeftFields::Json kFields = PeftFields::Json::parse(R"({
  "no": null, "yes": true, "text": "x", "number": 2.5, "whole": 3, "names": ["b", "a"],
  "mixed": ["b", 1], "ranks": {"q": 2, "layers.0.k": 3}, "broken": {"(": 2}})");

TEST_CASE("fields are read where they are there and not null", "[peft_fields]") {
  const std::string file = "c.json";
  const PeftFields fields(kFields, file);
  bool truth = false;
  fields.read("absent", truth);
  fields.read("no", truth);
  CHECK_FALSE(truth);
  fields.read("yes", truth);
  CHECK(truth);
  std::string text;
  fields.read("text", text);
  CHECK(text == "x");
  double number = 0;
  fields.read("number", number);
  CHECK(number == 2.5);
  lorapro::Index whole = 0;
  fields.read("whole", whole);
  CHECK(whole == 3);
  std::vector<std::string> names;
  fields.read("names", names);
  CHECK(names == std::vector<std::string>{"b", "a"});
  PatternMap<lorapro::Index> ranks;
  fields.read("ranks", ranks);
  CHECK(ranks == PatternMap<lorapro::Index>{{"q", 2}, {"layers.0.k", 3}});
}

TEST_CASE("a field of another type is refused by its name", "[peft_fields]") {
  const std::string file = "c.json";
  const PeftFields fields(kFields, file);
  bool truth = false;
  std::vector<std::string> names;
  PatternMap<lorapro::Index> ranks;
  CHECK_THROWS_WITH(fields.read("text", truth),
                    contains_text("c.json: text: expected true or false, got \"x\""));
  CHECK_THROWS_WITH(fields.read("mixed", names),
                    contains_text("mixed: expected a list of names, got 1"));
  CHECK_THROWS_WITH(fields.read("broken", ranks),
                    contains_text("c.json: broken: pattern \"(\": expected balanced"));
}

TEST_CASE("a field of one value or a list of such", "[peft_fields]") {
  const std::string file = "c.json";
  const PeftFields fields(kFields, file);
  const auto check = [&](const char* field) {
    fields.check_one_or_list(field, "a name or some",
                             [](const auto& value) { return value.is_string(); });
  };
  for (const char* const field : {"absent", "no", "text", "names"}) CHECK_NOTHROW(check(field));
  CHECK_THROWS_AS(check("whole"), FormatError);
  CHECK_THROWS_WITH(check("mixed"), contains_text("mixed: expected a name or some, got 1"));
}

}  // namespace

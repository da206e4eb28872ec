// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/pattern_program.hpp>

#include "support/catch.hpp"

namespace {

using lorapro::FormatError;
using lorapro::io::detail::PatternInstruction;
using lorapro::io::detail::PatternParser;
using lorapro::io::detail::PatternProgram;

std::string steps_of(const std::string& pattern) {
  std::string out;
  for (const PatternInstruction& step : PatternParser(pattern).parse())
    out += "sxj^$m"[static_cast<std::size_t>(step.op)];
  return out;
}

TEST_CASE("programs of patterns", "[pattern_program]") {
  CHECK(steps_of("") == "m");
  CHECK(steps_of("ab") == "ssm");
  CHECK(steps_of("^a$") == "^s$m");
  CHECK(steps_of("a|b") == "xsjsm");
  CHECK(steps_of("a*") == "xsjm");
  CHECK(steps_of("a?") == "xsm");
  CHECK(steps_of("a{2}") == "ssm");
  CHECK(steps_of("a{0}") == "m");
  CHECK(steps_of("a{1,3}") == "sxsxsm");
  CHECK(steps_of("a{,2}?") == "xsxsm");
  CHECK(steps_of("a{2,}") == "ssxsjm");
  CHECK(steps_of("a{,}") == steps_of("a*"));
}

TEST_CASE("braces of another form stand for themselves", "[pattern_program]") {
  for (const std::string pattern : {"a{}", "a{x}", "a{1", "a{1,", "a{1,x}", "{", "a|{b"}) {
    CAPTURE(pattern);
    const PatternProgram program = PatternParser(pattern).parse();
    const auto braces = std::count_if(program.begin(), program.end(), [](const auto& step) {
      return step.op == PatternInstruction::Op::set && step.set.count() == 1 && step.set.test('{');
    });
    CHECK(braces == 1);
  }
}

TEST_CASE("what is not supported or no pattern is refused by name", "[pattern_program]") {
  const auto refused = [](const std::string& pattern, const std::string& message) {
    CAPTURE(pattern);
    CHECK_THROWS_AS(PatternParser(pattern).parse(), FormatError);
    CHECK_THROWS_WITH(PatternParser(pattern).parse(), contains_text(message));
  };
  refused("a{2}{3}", "one repetition");
  refused("a{2}*", "one repetition");
  refused("a{3,2}", "a count from low to high, got {3,2}");
  refused("{2}", "something to repeat");
  refused("a|{2,}", "something to repeat");
  refused("a{9000}", "at most 8192 steps");
  refused("(a{100}){100}", "at most 8192 steps");
  refused("a{4000}b{4000}c{4000}", "at most 8192 steps");
  refused("a{99999999999999999999999}", "at most 8192 steps");
  refused("(?=a)", "got (?=");
  refused("(?i)a", "got (?i");
  refused("(a)\\1", "got 1");
  refused("\\bq", "got b");
  refused("(a", "not closed");
  refused("a)", "closes nothing");
  refused("[a", "not closed");
  refused("[z-a]", "a range from low to high");
  refused("*a", "something to repeat");
  refused("a**", "one repetition");
  refused("a*+", "one repetition");
  refused("a+?+", "one repetition");
  refused("a\\", "got the end");
  refused(std::string(40, '(') + std::string(40, ')'), "at most 32 nested groups");
  refused(std::string(1025, 'a'), "at most 1024 bytes");
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

// Catch2, version 2 or 3: tests use TEST_CASE, TEMPLATE_TEST_CASE, SECTION, CHECK..., INFO,
// CAPTURE, Approx and Catch::Matchers::WithinAbs, which both have, contains_text and skip_test.
#include <stdexcept>
#include <string>

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
/// Matches a text with this part.
inline auto contains_text(const std::string& part) {
  return Catch::Matchers::ContainsSubstring(part);
}
/// Ends a test case that has the tag [may_skip]: CTest counts it as skipped.
[[noreturn]] inline void skip_test(const std::string& reason) {
  SKIP("skipped: " << reason);
  throw std::logic_error(reason);  // what the compiler cannot know: SKIP throws
}
#else
#include <catch2/catch.hpp>
/// Matches a text with this part.
inline auto contains_text(const std::string& part) { return Catch::Matchers::Contains(part); }
/// Ends a test case that has the tag [may_skip]: CTest counts it as skipped, Catch itself, which
/// knows no skipping before its version 3, as failed.
[[noreturn]] inline void skip_test(const std::string& reason) {
  FAIL("skipped: " << reason);
  throw std::logic_error(reason);  // what the compiler cannot know: FAIL throws
}
#endif

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

// Catch2, version 2 or 3: tests use TEST_CASE, TEMPLATE_TEST_CASE, SECTION, CHECK..., INFO,
// CAPTURE, Approx and Catch::Matchers::WithinAbs, which both have, and contains_text.
#include <string>

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
/// Matches a text with this part.
inline auto contains_text(const std::string& part) {
  return Catch::Matchers::ContainsSubstring(part);
}
#else
#include <catch2/catch.hpp>
/// Matches a text with this part.
inline auto contains_text(const std::string& part) { return Catch::Matchers::Contains(part); }
#endif

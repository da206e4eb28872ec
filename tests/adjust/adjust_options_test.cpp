// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adjust/adjust_options.hpp>

#include <limits>  // std::numeric_limits

#include "support/catch.hpp"

namespace {

using lorapro::AdjustOptions;
using lorapro::Side;

TEST_CASE("options are validated by name", "[adjust_options]") {
  CHECK_NOTHROW(AdjustOptions{}.validate());
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto refused = [](double AdjustOptions::*field, double value) {
    AdjustOptions options;
    options.*field = value;
    CHECK_THROWS_AS(options.validate(), lorapro::ConfigError);
  };
  for (const double bad : {-1.0, nan, HUGE_VAL}) {
    refused(&AdjustOptions::damping, bad);
    refused(&AdjustOptions::lr, bad);
    refused(&AdjustOptions::max_relative_move, bad);
  }
  refused(&AdjustOptions::max_relative_move, 0);
  AdjustOptions options;
  options.damping = -1;
  CHECK_THROWS_WITH(options.validate(), "damping: expected a finite number >= 0, got -1");
}

TEST_CASE("the fixed factor is the other one", "[adjust_options]") {
  AdjustOptions options;
  CHECK(options.fixed_factor() == Side::A);
  options.free_factor = Side::A;
  CHECK(options.fixed_factor() == Side::B);
}

}  // namespace

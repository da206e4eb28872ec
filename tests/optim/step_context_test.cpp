// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/step_context.hpp>

#include "support/catch.hpp"

namespace {

TEST_CASE("the limit of a step leaves room for value and rate", "[step_context]") {
  const float max = std::numeric_limits<float>::max();
  for (const double lr : {1e-3, 1.0, 1e10}) {
    const auto step = static_cast<float>(lorapro::detail::step_limit<float>(lr));
    const auto value = static_cast<float>(lorapro::detail::step_limit<float>(0));
    CHECK(value + static_cast<float>(lr) * step <= max);
    CHECK(step > 0);
  }
}

TEST_CASE("the square of the largest gradient of Adam fits", "[step_context]") {
  const auto largest = static_cast<float>(lorapro::detail::largest_adam_gradient<float>());
  CHECK(largest * largest <= std::numeric_limits<float>::max());
  CHECK(largest > 1e19F);
}

}  // namespace

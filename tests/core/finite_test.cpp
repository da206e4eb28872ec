// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/core/finite.hpp>

#include "support/catch.hpp"

namespace {

using lorapro::bfloat16;
using lorapro::half;

TEST_CASE("is_finite tells NaN and infinity from numbers", "[finite]") {
  using Limits = std::numeric_limits<double>;
  for (const double value :
       {0.0, -0.0, 1.0, -1.0, Limits::max(), -Limits::max(), Limits::min(), Limits::denorm_min()}) {
    CAPTURE(value);
    CHECK(lorapro::is_finite(value));
  }
  for (const double value : {Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN(),
                             -Limits::quiet_NaN(), Limits::signaling_NaN()}) {
    CAPTURE(value);
    CHECK_FALSE(lorapro::is_finite(value));
  }
}

TEST_CASE("is_below compares magnitudes, and no NaN is below anything", "[finite]") {
  using Limits = std::numeric_limits<double>;
  using lorapro::detail::is_below;
  CHECK(is_below(0.0, 1.0));
  CHECK(is_below(-0.0, Limits::denorm_min()));
  CHECK(is_below(0.5, 1.0));
  CHECK(is_below(-0.5, 1.0));
  CHECK(is_below(Limits::denorm_min(), Limits::min()));
  CHECK_FALSE(is_below(1.0, 1.0));
  CHECK_FALSE(is_below(-2.0, 1.0));
  CHECK_FALSE(is_below(Limits::infinity(), Limits::max()));
  CHECK_FALSE(is_below(-Limits::infinity(), Limits::max()));
  CHECK_FALSE(is_below(Limits::quiet_NaN(), Limits::max()));
  CHECK_FALSE(is_below(-Limits::quiet_NaN(), Limits::max()));
}

TEMPLATE_TEST_CASE("infinity_bits are those of infinity", "[finite]", float, double, bfloat16,
                   half) {
  const auto infinity = static_cast<TestType>(std::numeric_limits<float>::infinity());
  lorapro::detail::FloatBits<TestType> bits;
  std::memcpy(&bits, &infinity, sizeof bits);
  CHECK(bits == lorapro::detail::infinity_bits<TestType>());
}

TEMPLATE_TEST_CASE("the larger magnitude stays", "[finite]", float, double) {
  using lorapro::detail::Magnitude;
  const auto of = [](TestType value) {
    Magnitude<TestType> magnitude;
    std::memcpy(&magnitude.bits, &value, sizeof value);
    return magnitude;
  };
  Magnitude<TestType> largest;
  CHECK(largest.value() == 0);
  largest.include(of(TestType(3)));
  largest.include(of(TestType(2)));
  CHECK(largest.value() == 3);
  CHECK(largest.is_finite());
  largest.include(of(std::numeric_limits<TestType>::quiet_NaN()));
  largest.include(of(TestType(2)));
  CHECK_FALSE(largest.is_finite());
  CHECK_FALSE(of(std::numeric_limits<TestType>::infinity()).is_finite());
}

TEST_CASE("not_a_number is none", "[finite]") {
  CHECK_FALSE(lorapro::is_finite(lorapro::detail::not_a_number()));
}

}  // namespace

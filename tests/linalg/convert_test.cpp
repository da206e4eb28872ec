// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/linalg/convert.hpp>

#include <limits>  // std::numeric_limits
#include <vector>  // std::vector

#include "support/random.hpp"

namespace {

using lorapro::bfloat16;
using lorapro::half;
using lorapro::Index;

template <typename From, typename To>
void check_conversion(support::Random& random) {
  for (Index count = 0; count <= 40; ++count) {
    CAPTURE(count);
    const auto size = static_cast<std::size_t>(count);
    // One more element on either side, neither aligned nor to be touched.
    std::vector<From> from(size + 2);
    for (From& value : from) value = static_cast<From>(random.normal());
    std::vector<To> to(size + 2, static_cast<To>(7));
    lorapro::convert(from.data() + 1, count, to.data() + 1);
    int wrong = static_cast<double>(to.front()) != 7 || static_cast<double>(to.back()) != 7;
    for (std::size_t i = 1; i <= size; ++i)
      wrong += static_cast<double>(to[i]) != static_cast<double>(static_cast<To>(from[i]));
    CHECK(wrong == 0);
  }
}

TEST_CASE("consecutive elements in another type", "[convert]") {
  LORAPRO_TEST_RANDOM(random, 21);
  check_conversion<float, double>(random);
  check_conversion<double, float>(random);
  check_conversion<float, float>(random);
  check_conversion<bfloat16, float>(random);
  check_conversion<double, half>(random);
}

TEST_CASE("what is not finite stays so", "[convert]") {
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<double> from(9, infinity);
  std::vector<float> to(9);
  lorapro::convert(from.data(), 9, to.data());
  CHECK(to == std::vector<float>(9, std::numeric_limits<float>::infinity()));
}

}  // namespace

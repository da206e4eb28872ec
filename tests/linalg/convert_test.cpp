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

/// Rows of `count` elements, some apart, to rows of `padded`: as they are, and transposed.
template <typename From, typename To>
void check_rows(support::Random& random, Index rows, Index count, Index stride) {
  CAPTURE(rows, count, stride);
  constexpr Index kSize = lorapro::detail::Packets<To>::kSize;
  const auto rounded_up = [](Index length) { return (length + kSize - 1) / kSize * kSize; };
  // What lies between the rows is not a number.
  std::vector<From> from(static_cast<std::size_t>(rows * stride),
                         static_cast<From>(std::numeric_limits<float>::quiet_NaN()));
  for (Index i = 0; i < rows; ++i)
    for (Index k = 0; k < count; ++k)
      from[static_cast<std::size_t>(i * stride + k)] = static_cast<From>(random.normal());
  const auto element = [&](Index i, Index k) {
    return i < rows && k < count ? static_cast<double>(static_cast<To>(
                                       from[static_cast<std::size_t>(i * stride + k)]))
                                 : 0.0;
  };
  const auto check = [&](const std::vector<To>& to, Index to_rows, Index padded, bool transposed) {
    Index wrong = static_cast<double>(to.back()) != 7;
    for (Index i = 0; i < to_rows; ++i)
      for (Index k = 0; k < padded; ++k)
        wrong += static_cast<double>(to[static_cast<std::size_t>(i * padded + k)]) !=
                 (transposed ? element(k, i) : element(i, k));
    CHECK(wrong == 0);
  };
  for (const Index more : {Index{0}, kSize}) {
    const Index padded = rounded_up(count) + more, padded_rows = rounded_up(rows) + more;
    std::vector<To> to(static_cast<std::size_t>(rows * padded + 1), static_cast<To>(7));
    lorapro::convert_padded(from.data(), stride, rows, count, to.data(), padded);
    check(to, rows, padded, false);
    to.assign(static_cast<std::size_t>(count * padded_rows + 1), static_cast<To>(7));
    lorapro::convert_transposed(from.data(), stride, rows, count, to.data(), padded_rows);
    check(to, count, padded_rows, true);
  }
}

TEST_CASE("padded rows, as they are and transposed", "[convert]") {
  LORAPRO_TEST_RANDOM(random, 22);
  for (Index rows = 1; rows <= 19; rows += 3)
    for (Index count = 1; count <= 20; ++count)
      for (const Index gap : {0, 3}) {
        check_rows<float, double>(random, rows, count, count + gap);
        check_rows<double, double>(random, rows, count, count + gap);
        check_rows<bfloat16, double>(random, rows, count, count + gap);
        check_rows<double, float>(random, rows, count, count + gap);
      }
}

TEST_CASE("what is not finite stays so", "[convert]") {
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<double> from(9, infinity);
  std::vector<float> to(9);
  lorapro::convert(from.data(), 9, to.data());
  CHECK(to == std::vector<float>(9, std::numeric_limits<float>::infinity()));
}

}  // namespace

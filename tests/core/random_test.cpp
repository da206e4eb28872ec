// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/core/random.hpp>

#include <limits>  // std::numeric_limits
#include <vector>  // std::vector

#include "support/catch.hpp"

namespace {

using lorapro::Index;
using lorapro::random_bits;
using lorapro::row_pair_key;

std::uint32_t element_bits(std::uint64_t key, std::uint32_t col) {
  return lorapro::detail::element_bits_of<std::uint32_t>(key, col);
}

TEST_CASE("random_bits is SplitMix64", "[random]") {
  // The published sequences of the seeds 0 and 1234567.
  CHECK(random_bits(0, 0) == 0xe220a8397b1dcdafULL);
  CHECK(random_bits(0, 1) == 0x6e789e6aa1b965f4ULL);
  CHECK(random_bits(0, 2) == 0x06c45d188009454fULL);
  CHECK(random_bits(1234567, 0) == 6457827717110365317ULL);
  CHECK(random_bits(1234567, 1) == 3203168211198807973ULL);
  CHECK(random_bits(1234567, 4) == 16408922859458223821ULL);
}

TEST_CASE("every stream keeps its values from version to version", "[random]") {
  // A checkpoint resumes with the same bits only if these never change.
  CHECK(lorapro::derive_key(1, 2) == random_bits(1 ^ 0x6a09e667f3bcc909ULL, 2));
  CHECK(row_pair_key(9, 8) == lorapro::derive_key(9, 4));
  CHECK(row_pair_key(9, 9) == lorapro::derive_key(9, 4));
  CHECK(lorapro::random_uniform(0, 0) ==
        static_cast<double>(0xe220a8397b1dcdafULL >> 11) / 9007199254740992.0);
  CHECK(element_bits(0x0123456789abcdefULL, 0) == 0x7010adf1U);
  CHECK(element_bits(0x0123456789abcdefULL, 7) == 0x221ade45U);
  const std::uint32_t both = element_bits(row_pair_key(5, 6), 9);
  CHECK(lorapro::rounding_bits(5, 6, 9) == (both & 0xffffU));
  CHECK(lorapro::rounding_bits(5, 7, 9) == both >> 16);
}

TEST_CASE("derived keys do not collide", "[random]") {
  std::vector<std::uint64_t> keys;
  for (std::uint64_t key = 0; key < 40; ++key)
    for (std::uint64_t number = 0; number < 40; ++number)
      keys.push_back(lorapro::derive_key(key, number));
  std::sort(keys.begin(), keys.end());
  CHECK(std::adjacent_find(keys.begin(), keys.end()) == keys.end());
}

/// Chi-squared of `counts` against equal shares, in standard deviations from its mean.
double chi_squared_deviation(const std::vector<int>& counts, double total) {
  const double expected = total / static_cast<double>(counts.size());
  double sum = 0;
  for (const int count : counts) sum += (count - expected) * (count - expected) / expected;
  const auto freedom = static_cast<double>(counts.size() - 1);
  return (sum - freedom) / std::sqrt(2 * freedom);
}

TEST_CASE("random_uniform is uniform in 0 to 1", "[random]") {
  constexpr int kDraws = 200000;
  std::vector<int> counts(100);
  double sum = 0, lag = 0, previous = 0.5;
  for (int i = 0; i < kDraws; ++i) {
    const double u = lorapro::random_uniform(42, static_cast<std::uint64_t>(i));
    REQUIRE((u >= 0 && u < 1));
    ++counts[static_cast<std::size_t>(100 * u)];
    sum += u;
    lag += (u - 0.5) * (previous - 0.5);
    previous = u;
  }
  CHECK(std::abs(sum / kDraws - 0.5) < 5 * std::sqrt(1.0 / 12 / kDraws));
  CHECK(std::abs(lag / kDraws) < 5 * (1.0 / 12) / std::sqrt(kDraws));
  CHECK(std::abs(chi_squared_deviation(counts, kDraws)) < 5);
}

TEST_CASE("random_normal has the moments of a standard normal", "[random]") {
  constexpr int kDraws = 200000;
  double moments[5] = {}, lag = 0, previous = 0;
  int beyond_two = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double x = lorapro::random_normal(7, static_cast<std::uint64_t>(i));
    REQUIRE(std::isfinite(x));
    for (int k = 1; k <= 4; ++k) moments[k] += std::pow(x, k) / kDraws;
    lag += x * previous / kDraws;
    previous = x;
    beyond_two += std::abs(x) > 2;
  }
  // Five deviations of each estimate.
  const double unit = 5 / std::sqrt(static_cast<double>(kDraws));
  CHECK(std::abs(moments[1]) < unit);
  CHECK(std::abs(moments[2] - 1) < unit * std::sqrt(2.0));
  CHECK(std::abs(moments[3]) < unit * std::sqrt(15.0));
  CHECK(std::abs(moments[4] - 3) < unit * std::sqrt(96.0));
  CHECK(std::abs(lag) < unit);
  CHECK(std::abs(beyond_two / static_cast<double>(kDraws) - 0.0455003) < unit * 0.209);
}

TEST_CASE("the bits that round are uniform along rows and columns", "[random]") {
  constexpr int kDraws = 1 << 17;
  const auto check = [&](auto bits) {
    std::vector<int> bytes[4] = {std::vector<int>(256), std::vector<int>(256),
                                 std::vector<int>(256), std::vector<int>(256)};
    int ones[32] = {};
    for (int i = 0; i < kDraws; ++i) {
      const std::uint32_t x = bits(i);
      for (int byte = 0; byte < 4; ++byte) ++bytes[byte][(x >> (8 * byte)) & 0xff];
      for (int b = 0; b < 32; ++b) ones[b] += static_cast<int>((x >> b) & 1U);
    }
    for (const auto& byte : bytes) CHECK(std::abs(chi_squared_deviation(byte, kDraws)) < 5);
    for (const int count : ones) CHECK(std::abs(count - kDraws / 2) < 5 * std::sqrt(kDraws / 4.0));
  };
  check([](int i) { return element_bits(row_pair_key(3, 5), static_cast<std::uint32_t>(i)); });
  check([](int i) { return element_bits(row_pair_key(3, 2 * i), 11); });
  check([](int i) { return element_bits(row_pair_key(static_cast<std::uint64_t>(i), 2), 11); });
}

TEST_CASE("neighbouring rows round independently", "[random]") {
  constexpr int kDraws = 1 << 16;
  for (const Index row : {0, 1}) {  // of one pair, of two
    int equal = 0;
    for (std::uint32_t j = 0; j < kDraws; ++j)
      equal += static_cast<int>(
          ((lorapro::rounding_bits(1, row, j) ^ lorapro::rounding_bits(1, row + 1, j)) >> 15) & 1U);
    CHECK(std::abs(equal - kDraws / 2) < 5 * std::sqrt(kDraws / 4.0));
  }
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/core/storage.hpp>

#include <cmath>  // std::isnan, std::nextafter

#include "support/catch.hpp"

namespace {

using lorapro::bfloat16;
using lorapro::half;
using lorapro::round_stochastic;
using lorapro::StorageType;

std::uint32_t bits_of(float value) { return Eigen::numext::bit_cast<std::uint32_t>(value); }
float float_of(std::uint32_t bits) { return Eigen::numext::bit_cast<float>(bits); }

TEST_CASE("a storage type stands for its element type", "[storage]") {
  CHECK(lorapro::storage_type<float>() == StorageType::f32);
  CHECK(lorapro::storage_type<double>() == StorageType::f64);
  CHECK(lorapro::storage_type<bfloat16>() == StorageType::bf16);
  CHECK(lorapro::storage_type<half>() == StorageType::f16);
  for (const StorageType type :
       {StorageType::f32, StorageType::f64, StorageType::bf16, StorageType::f16})
    CHECK(lorapro::visit_storage_type(
              type, [](auto zero) { return lorapro::storage_type<decltype(zero)>(); }) == type);
  CHECK(lorapro::storage_bytes(StorageType::f32) == 4);
  CHECK(lorapro::storage_bytes(StorageType::f64) == 8);
  CHECK(lorapro::storage_bytes(StorageType::bf16) == 2);
  CHECK(lorapro::storage_bytes(StorageType::f16) == 2);
  CHECK(lorapro::storage_epsilon(StorageType::f32) == std::numeric_limits<float>::epsilon());
  CHECK(lorapro::storage_epsilon(StorageType::f64) == std::numeric_limits<double>::epsilon());
  CHECK(lorapro::storage_epsilon(StorageType::bf16) == 0x1.0p-7);
  CHECK(lorapro::storage_epsilon(StorageType::f16) == 0x1.0p-10);
}

TEST_CASE("stochastic rounding is unbiased", "[storage]") {
  // All 65536 random values: the mean is the expectation itself, not an estimate.
  for (const float value : {1.0037F, -1.0037F, 3.14159F, -2.5e-30F, 6.02e23F, 1e-40F, 0.1F}) {
    CAPTURE(value);
    const float low = float_of(bits_of(value) & 0xffff0000U);
    const float high = float_of((bits_of(value) & 0xffff0000U) + 0x10000U);
    double sum = 0;
    bool only_neighbours = true;
    for (std::uint32_t bits = 0; bits < 0x10000U; ++bits) {
      const auto rounded = static_cast<float>(round_stochastic(value, bits));
      only_neighbours = only_neighbours && (rounded == low || rounded == high);
      sum += rounded;
    }
    CHECK(only_neighbours);
    // The sum of 2^16 multiples of 2^-7 ulp is exact in double.
    CHECK(sum / 0x10000 == static_cast<double>(value));
  }
}

TEST_CASE("stochastic rounding keeps what is representable", "[storage]") {
  for (const float value : {0.0F, -0.0F, 1.0F, -1.5F, 0x1.fep127F, -0x1.fep127F, 0x1.0p-133F})
    for (const std::uint32_t bits : {0U, 1U, 0x8000U, 0xffffU, 0xffffffffU}) {
      CAPTURE(value, bits);
      CHECK(bits_of(static_cast<float>(round_stochastic(value, bits))) == bits_of(value));
    }
}

TEST_CASE("stochastic rounding ignores all but 16 bits", "[storage]") {
  for (const std::uint32_t bits : {0U, 0x4000U, 0xffffU})
    CHECK(round_stochastic(1.0037F, bits) == round_stochastic(1.0037F, bits | 0xabcd0000U));
}

TEST_CASE("stochastic rounding never reaches infinity", "[storage]") {
  const float largest = std::numeric_limits<float>::max();
  for (const float value : {largest, -largest, std::nextafter(largest, 0.0F)})
    for (const std::uint32_t bits : {0U, 1U, 0x7fffU, 0xffffU}) {
      CAPTURE(value, bits);
      const auto rounded = static_cast<float>(round_stochastic(value, bits));
      CHECK(rounded == std::copysign(0x1.fep127F, value));
    }
}

TEST_CASE("stochastic rounding keeps infinities and NaN", "[storage]") {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const std::uint32_t bits : {0U, 1U, 0xffffU}) {
    CHECK(static_cast<float>(round_stochastic(infinity, bits)) == infinity);
    CHECK(static_cast<float>(round_stochastic(-infinity, bits)) == -infinity);
    // The second NaN has its payload in the bits that bfloat16 drops.
    for (const std::uint32_t nan : {0x7fc00000U, 0x7f800001U, 0xffffffffU})
      CHECK(std::isnan(static_cast<float>(round_stochastic(float_of(nan), bits))));
  }
}

TEST_CASE("exp_avg_sq decays under stochastic rounding and not under rounding to nearest",
          "[storage]") {
  bfloat16 nearest(1.0F), stochastic(1.0F);
  std::uint32_t state = 1;
  for (int step = 0; step < 1000; ++step) {
    state = state * 1664525U + 1013904223U;
    nearest = bfloat16(0.999F * static_cast<float>(nearest));
    stochastic = round_stochastic(0.999F * static_cast<float>(stochastic), state >> 16);
  }
  CHECK(static_cast<float>(nearest) > 0.99F);
  CHECK(static_cast<float>(stochastic) > 0.25F);  // 0.999^1000 = 0.368
  CHECK(static_cast<float>(stochastic) < 0.5F);
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/linalg/packet.hpp>

#include <cmath>  // std::sqrt

#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::bfloat16;
using lorapro::Index;
using lorapro::detail::MomentLanes;
using lorapro::detail::Packets;

TEMPLATE_TEST_CASE("packets compute lane by lane", "[packet]", float, double) {
  using P = Packets<TestType>;
  CHECK(P::kSize >= 1);
  CHECK(P::kRegisters >= 8);
  TestType a[P::kSize], b[P::kSize], c[P::kSize], out[P::kSize];
  for (Index i = 0; i < P::kSize; ++i) {
    // Small integers: every result is exact.
    a[i] = static_cast<TestType>(i + 1);
    b[i] = static_cast<TestType>(2 * i - 3);
    c[i] = static_cast<TestType>(5 - i);
  }
  const auto x = P::load(a), y = P::load(b), z = P::load(c);
  const auto check = [&](const typename P::Packet& packet, auto expected) {
    P::store(out, packet);
    for (Index i = 0; i < P::kSize; ++i) CHECK(out[i] == expected(i));
  };
  check(P::add(x, y), [&](Index i) { return a[i] + b[i]; });
  check(P::mul(x, y), [&](Index i) { return a[i] * b[i]; });
  check(P::fma(x, y, z), [&](Index i) { return a[i] * b[i] + c[i]; });
  check(P::set(TestType(7)), [](Index) { return TestType(7); });
  CHECK(P::sum(x) == static_cast<TestType>(P::kSize * (P::kSize + 1) / 2));
}

template <typename Scalar>
Scalar normalized(Scalar m, Scalar v, Scalar eps) {
  using P = Packets<Scalar>;
  Scalar out[P::kSize];
  P::store(out, lorapro::detail::normalize(P::set(m), P::set(v), P::set(eps)));
  for (Index i = 1; i < P::kSize; ++i) CHECK(out[i] == out[0]);
  return out[0];
}

TEMPLATE_TEST_CASE("normalize divides by the root of the second moment", "[packet]", float,
                   double) {
  LORAPRO_TEST_RANDOM(random, 51);
  double worst = 0;
  for (int repeat = 0; repeat < 2000; ++repeat) {
    const auto m = static_cast<TestType>(random.normal());
    const auto v = static_cast<TestType>(std::pow(10.0, 40 * random.uniform() - 20));
    const auto eps = static_cast<TestType>(std::pow(10.0, -12 * random.uniform()));
    const long double expected = m / (std::sqrt(static_cast<long double>(v)) + eps);
    worst = std::max(worst, static_cast<double>(std::abs(normalized(m, v, eps) / expected - 1)));
  }
  CHECK(worst <= support::tolerance<TestType>(4, 1, 1, 1));
}

TEMPLATE_TEST_CASE("normalize at the ends of the range", "[packet]", float, double) {
  using Limits = std::numeric_limits<TestType>;
  const auto eps = static_cast<TestType>(1e-8);
  CHECK(normalized<TestType>(0, 0, eps) == 0);
  // v = 0 must leave eps alone: no estimate of 1 / sqrt(0) may enter.
  CHECK(std::abs(normalized<TestType>(1, 0, eps) * eps - 1) <=
        support::tolerance<TestType>(4, 1, 1, 1));
  CHECK(std::abs(normalized<TestType>(1, Limits::denorm_min(), eps) * eps - 1) <=
        support::tolerance<TestType>(4, 1, 1, 1));
  const TestType large = Limits::max() / 4;
  CHECK(std::abs(normalized<TestType>(1, large, eps) * std::sqrt(large) - 1) <=
        support::tolerance<TestType>(4, 1, 1, 1));
}

TEMPLATE_TEST_CASE("moments in the compute scalar are stored as they are", "[packet]", float,
                   double) {
  using P = Packets<TestType>;
  using Lanes = MomentLanes<TestType, TestType>;
  LORAPRO_TEST_RANDOM(random, 52);
  TestType in[P::kSize], out[P::kSize];
  for (TestType& value : in) value = static_cast<TestType>(random.normal());
  Lanes::store(out, Lanes::load(in));
  CHECK(std::equal(in, in + P::kSize, out));
  std::fill(out, out + P::kSize, TestType(0));
  Lanes::store_stochastic(out, Lanes::load(in), Lanes::noise(3, 4), false);
  CHECK(std::equal(in, in + P::kSize, out));
}

TEMPLATE_TEST_CASE("moments in bfloat16 round as the scalar functions do", "[packet]", float,
                   double) {
  // The integer lanes of float, and the general version that double uses.
  using P = Packets<TestType>;
  using Lanes = MomentLanes<TestType, bfloat16>;
  LORAPRO_TEST_RANDOM(random, 53);
  for (int repeat = 0; repeat < 500; ++repeat) {
    TestType in[P::kSize], back[P::kSize];
    for (TestType& value : in)
      value = static_cast<float>(random.normal() * std::pow(10.0, 60 * random.uniform() - 30));
    if (repeat == 0) in[0] = 0;
    if (repeat == 1) in[0] = static_cast<TestType>(1 + 0x1.0p-8);  // a tie: to even
    if (repeat == 2) in[0] = static_cast<TestType>(1 + 0x1.8p-7);  // a tie: to even, upwards
    if (repeat == 3) in[0] = static_cast<TestType>(1e-40F);
    const auto packet = P::load(in);
    bfloat16 nearest[P::kSize], even[P::kSize], odd[P::kSize];
    Lanes::store(nearest, packet);
    const std::uint64_t key = random.bits();
    const auto col = static_cast<std::uint32_t>(random.bits());
    const auto noise = Lanes::noise(lorapro::row_pair_key(key, 6), col);
    Lanes::store_stochastic(even, packet, noise, false);
    Lanes::store_stochastic(odd, packet, noise, true);
    P::store(back, Lanes::load(nearest));
    for (Index i = 0; i < P::kSize; ++i) {
      const auto value = static_cast<float>(in[i]);
      CHECK(nearest[i] == bfloat16(value));
      const std::uint32_t at = col + static_cast<std::uint32_t>(i);
      CHECK(even[i] == lorapro::round_stochastic(value, lorapro::rounding_bits(key, 6, at)));
      CHECK(odd[i] == lorapro::round_stochastic(value, lorapro::rounding_bits(key, 7, at)));
      CHECK(back[i] == static_cast<TestType>(static_cast<float>(nearest[i])));
    }
  }
}

}  // namespace

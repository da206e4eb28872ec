// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adjust/adam.hpp>

#include <vector>  // std::vector

#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::AdamConstants;
using lorapro::AdamStep;
using lorapro::adamw_row;
using lorapro::Index;
using reference::Real;

TEMPLATE_TEST_CASE("adamw_row against long double", "[adam]", float, double) {
  LORAPRO_TEST_RANDOM(random, 701);
  constexpr double kBeta1 = 0.9, kBeta2 = 0.99, kEps = 1e-3, kScale = 0.25, kKeep = 0.98;
  constexpr double kLr = 0.125;
  for (const Index count : {1, 2, 3, 7, 8, 16, 17, 33, 100}) {
    CAPTURE(count);
    const auto size = static_cast<std::size_t>(count);
    std::vector<TestType> m(size + 1, 0), v(size + 1, 0), w(size + 1, 1), g(size + 1);
    std::vector<Real> exact_m(size), exact_v(size), exact_w(size, 1);
    m[size] = v[size] = w[size] = 11;
    for (int step = 1; step <= 20; ++step) {
      for (TestType& value : g) value = static_cast<TestType>(random.normal());
      const std::vector<TestType> before = g;
      const AdamConstants<TestType> constants(
          AdamStep{kBeta1, kBeta2, kEps, step, kLr, kScale, kKeep});
      adamw_row<TestType>(constants, {g.data(), m.data(), v.data(), w.data(), count});
      double worst = 0;
      for (std::size_t i = 0; i < size; ++i) {
        const Real x = Real(kScale) * g[i];
        exact_m[i] = kBeta1 * exact_m[i] + (1 - Real(kBeta1)) * x;
        exact_v[i] = kBeta2 * exact_v[i] + (1 - Real(kBeta2)) * x * x;
        const Real m_hat = exact_m[i] / (1 - std::pow(Real(kBeta1), Real(step)));
        const Real v_hat = exact_v[i] / (1 - std::pow(Real(kBeta2), Real(step)));
        exact_w[i] = kKeep * exact_w[i] - kLr * m_hat / (std::sqrt(v_hat) + Real(kEps));
        worst = std::max(worst, static_cast<double>(std::abs(w[i] - exact_w[i])));
        worst = std::max(worst, static_cast<double>(std::abs(m[i] - exact_m[i])));
        worst = std::max(worst, static_cast<double>(std::abs(v[i] - exact_v[i])));
      }
      // Numbers of order 1; errors of twenty steps add up.
      CHECK(worst <= support::tolerance<TestType>(1, 20, 1, 1));
      CHECK(g == before);
      CHECK(m[size] == 11);  // nothing beyond the count
      CHECK(v[size] == 11);
      CHECK(w[size] == 11);
    }
  }
}

TEST_CASE("the first step of Adam is the sign", "[adam]") {
  // eps = 0 and a learning rate of 1 in ggml's way: integer answers but for the folded factors.
  for (const double beta : {0.0, 0.5, 0.75}) {
    std::vector<double> m(5), v(5), w(5), g{3, -4, 0.5, -1e10, 1e-10};
    adamw_row<double>(AdamConstants<double>(AdamStep{beta, beta, 0, 1, 1}),
                      {g.data(), m.data(), v.data(), w.data(), 5});
    const double sign[] = {-1, 1, -1, 1, -1};
    for (std::size_t i = 0; i < 5; ++i)
      CHECK(std::abs(w[i] - sign[i]) <= support::tolerance<double>(4, 1, 1, 1));
  }
}

TEST_CASE("bias corrections count steps from 1", "[adam]") {
  const AdamConstants<double> first(AdamStep{0.9, 0.999, 1e-8, 1, 0.01});
  const AdamConstants<double> third(AdamStep{0.9, 0.999, 1e-8, 3, 0.01, 0.5, 0.75});
  CHECK(first.rate == Approx(0.01 * std::sqrt(0.001) / 0.1));
  CHECK(first.scaled_eps == Approx(1e-8 * std::sqrt(0.001)));
  const double root = std::sqrt(1 - 0.999 * 0.999 * 0.999);
  CHECK(third.rate == Approx(0.01 * root / (1 - 0.9 * 0.9 * 0.9)));
  CHECK(third.scaled_eps == Approx(1e-8 * root));
  CHECK(third.one_minus_beta1 == 1 - 0.9);
  CHECK(third.one_minus_beta2 == 1 - 0.999);
  CHECK(third.grad_scale == 0.5);
  CHECK(third.keep == 0.75);
}

TEMPLATE_TEST_CASE("an element does not see its position", "[adam]", float, double) {
  LORAPRO_TEST_RANDOM(random, 702);
  const AdamConstants<TestType> constants(AdamStep{0.9, 0.999, 1e-8, 2, 0.1, 1, 0.9});
  constexpr std::size_t kCount = 53;
  std::vector<TestType> m(kCount), v(kCount), g(kCount), w(kCount);
  for (std::size_t i = 0; i < kCount; ++i) {
    m[i] = static_cast<TestType>(random.normal());
    v[i] = static_cast<TestType>(random.uniform());
    g[i] = static_cast<TestType>(random.normal());
    w[i] = static_cast<TestType>(random.normal());
  }
  auto all_m = m, all_v = v, all_w = w;
  adamw_row<TestType>(constants, {g.data(), all_m.data(), all_v.data(), all_w.data(), kCount});
  for (std::size_t i = 0; i < kCount; ++i) {
    adamw_row<TestType>(constants, {&g[i], &m[i], &v[i], &w[i], 1});
    CHECK((m[i] == all_m[i] && v[i] == all_v[i] && w[i] == all_w[i]));
  }
}

TEMPLATE_TEST_CASE("descend_row keeps and steps", "[adam]", float, double) {
  for (const Index count : {0, 1, 5, 8, 16, 31}) {
    CAPTURE(count);
    const auto size = static_cast<std::size_t>(count);
    std::vector<TestType> step(size), value(size + 1);
    for (std::size_t i = 0; i < size; ++i) {
      step[i] = static_cast<TestType>(i);
      value[i] = static_cast<TestType>(100 - 3 * static_cast<int>(i));
    }
    value[size] = 11;
    const auto before = value;
    lorapro::descend_row(TestType(0.5), TestType(0.25), step.data(), value.data(), count);
    for (std::size_t i = 0; i < size; ++i) CHECK(value[i] == before[i] / 2 - step[i] / 4);
    CHECK(value[size] == 11);
  }
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/factor_rounding.hpp>

#include <limits>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/reference.hpp"

namespace {

using lorapro::Index;
using lorapro::RowMatrix;
using lorapro::StorageType;
using lorapro::io::explained_loss;
using lorapro::io::float_factors;
using lorapro::io::round_factors;
using WideFactor = RowMatrix<double>;

constexpr double kInfiniteLoss = std::numeric_limits<double>::infinity();

/// The factors in the type, multiplied out in long double, against B A: nothing of the library's
/// but the exponents.
double dense_loss(const WideFactor& A, const WideFactor& B, StorageType type,
                  const std::vector<int>& exponents) {
  using Dense = Eigen::Matrix<long double, Eigen::Dynamic, Eigen::Dynamic>;
  Dense left = B.cast<long double>(), right = A.cast<long double>();
  const Dense exact = left * right;
  lorapro::visit_storage_type(type, [&](auto zero) {
    using T = decltype(zero);
    const auto round = [](long double x) {
      return static_cast<long double>(static_cast<float>(static_cast<T>(static_cast<float>(x))));
    };
    for (Index k = 0; k < A.rows(); ++k) {
      const int shift = exponents.empty() ? 0 : exponents[static_cast<std::size_t>(k)];
      for (Index i = 0; i < B.rows(); ++i) left(i, k) = round(std::ldexp(left(i, k), shift));
      for (Index j = 0; j < A.cols(); ++j) right(k, j) = round(std::ldexp(right(k, j), -shift));
    }
  });
  const Dense came = left * right;
  return static_cast<double>((came - exact).norm() / exact.norm());
}

WideFactor normal_factor(support::Random& random, Index rows, Index cols, double deviation) {
  return random.matrix(rows, cols, deviation).cast<double>();
}

constexpr StorageType kNarrowTypes[] = {StorageType::f16, StorageType::bf16, StorageType::f32};

TEST_CASE("what rounding explains", "[factor_rounding]") {
  CHECK(explained_loss(StorageType::f16) == Approx(std::ldexp(1, -10)).epsilon(1e-3));
  CHECK(explained_loss(StorageType::bf16) == Approx(std::ldexp(1, -7)).epsilon(1e-2));
  CHECK(explained_loss(StorageType::f32) == Approx(std::ldexp(1, -23)).epsilon(1e-3));
}

TEST_CASE("factors of ordinary sizes stay as they are", "[factor_rounding]") {
  LORAPRO_TEST_RANDOM(random, 1);
  for (const StorageType type : kNarrowTypes)
    for (const double b : {3e-3, 1.0, 100.0}) {
      CAPTURE(static_cast<int>(type), b);
      const WideFactor A = normal_factor(random, 3, 40, 0.1), B = normal_factor(random, 50, 3, b);
      const auto rounding = round_factors(A, B, type);
      CHECK(rounding.exponents.empty());
      CHECK(rounding.loss == Approx(dense_loss(A, B, type, {})).epsilon(1e-6));
      CHECK(rounding.loss < explained_loss(type));
      CHECK(rounding.loss > explained_loss(type) / 10);
    }
}

TEST_CASE("powers of two go between factors that would not fit", "[factor_rounding]") {
  LORAPRO_TEST_RANDOM(random, 2);
  for (const double b : {1e-5, 1e-6, 1e-7, 1e-8, 1e5, 1e7}) {
    CAPTURE(b);
    const WideFactor A = normal_factor(random, 4, 16, b < 1 ? 0.1 : 1e-3),
                     B = normal_factor(random, 16, 4, b);
    CHECK_FALSE(dense_loss(A, B, StorageType::f16, {}) < 1e-3);
    const auto rounding = round_factors(A, B, StorageType::f16);
    REQUIRE(rounding.exponents.size() == 4);
    CHECK(rounding.loss == Approx(dense_loss(A, B, StorageType::f16, rounding.exponents)));
    CHECK(rounding.loss < explained_loss(StorageType::f16));
    CHECK(round_factors(B.transpose(), A.transpose(), StorageType::f16).loss <
          explained_loss(StorageType::f16));
    CHECK(round_factors(A, B, StorageType::bf16).exponents.empty());
  }
  for (const StorageType type : {StorageType::bf16, StorageType::f32}) {
    const WideFactor A = normal_factor(random, 4, 16, 1), B = normal_factor(random, 16, 4, 1e-42);
    const auto rounding = round_factors(A, B, type);
    CHECK(rounding.exponents.size() == 4);
    CHECK(rounding.loss < explained_loss(type));
  }
}

TEST_CASE("each column of B and row of A has a power of its own", "[factor_rounding]") {
  LORAPRO_TEST_RANDOM(random, 3);
  const WideFactor A0 = normal_factor(random, 4, 20, 1), B0 = normal_factor(random, 30, 4, 1);
  WideFactor A = A0, B = B0;
  const double sizes[] = {1e-9, 1e9, 1, 1e-6};
  for (Index k = 0; k < 4; ++k) {
    A.row(k) *= sizes[k];
    B.col(k) /= sizes[k];
  }
  const auto rounding = round_factors(A, B, StorageType::f16);
  CHECK(rounding.loss < explained_loss(StorageType::f16));
  REQUIRE(rounding.exponents.size() == 4);
  CHECK(rounding.exponents[0] < -20);
  CHECK(rounding.exponents[1] > 20);
  CHECK(rounding.exponents[2] == 0);
  CHECK(rounding.loss == Approx(dense_loss(A, B, StorageType::f16, rounding.exponents)));
}

TEST_CASE("what no power of two saves has its loss", "[factor_rounding]") {
  LORAPRO_TEST_RANDOM(random, 4);
  for (const auto& [a, b] : {std::pair(1e-6, 1e-6), std::pair(1e-8, 1e-4), std::pair(1e-7, 1e-8)}) {
    const WideFactor A = normal_factor(random, 4, 30, a), B = normal_factor(random, 30, 4, b);
    const auto rounding = round_factors(A, B, StorageType::f16);
    CHECK(rounding.loss > 5 * explained_loss(StorageType::f16));
    CHECK(rounding.loss == Approx(dense_loss(A, B, StorageType::f16, rounding.exponents)));
  }
  const WideFactor vanishing = normal_factor(random, 4, 30, 1e-12);
  CHECK(round_factors(vanishing, vanishing.transpose(), StorageType::f16).loss == Approx(1));
  const WideFactor large = normal_factor(random, 4, 30, 1e6);
  CHECK(round_factors(large, large.transpose(), StorageType::f16).loss == kInfiniteLoss);
}

TEST_CASE("columns that nearly cancel are measured by their product", "[factor_rounding]") {
  LORAPRO_TEST_RANDOM(random, 5);
  // s B A - s B0 A0 of factors that have moved little, as difference_module makes them.
  const WideFactor A0 = normal_factor(random, 4, 60, 1), B0 = normal_factor(random, 50, 4, 1);
  for (const double moved : {1e-2, 1e-3, 1e-5}) {
    CAPTURE(moved);
    WideFactor A(8, 60), B(50, 8);
    A << A0 + normal_factor(random, 4, 60, moved), A0;
    B << B0 + normal_factor(random, 50, 4, moved), -B0;
    for (const StorageType type : {StorageType::f16, StorageType::bf16}) {
      const auto rounding = round_factors(A, B, type);
      CHECK(rounding.exponents.empty());
      CHECK(rounding.loss == Approx(dense_loss(A, B, type, {})).epsilon(1e-6));
      CHECK(rounding.loss > explained_loss(type));
    }
  }
  WideFactor A(8, 60), B(50, 8);
  A << A0, A0;
  B << B0, -B0;
  for (const StorageType type : kNarrowTypes) CHECK(round_factors(A, B, type).loss == 0);
}

TEST_CASE("zeros, one row, one column and rank 1", "[factor_rounding]") {
  LORAPRO_TEST_RANDOM(random, 6);
  for (const StorageType type : kNarrowTypes) {
    const WideFactor A = normal_factor(random, 4, 16, 1e-7), B = WideFactor::Zero(16, 4);
    // An adapter that is not trained yet.
    CHECK(round_factors(A, B, type).exponents.empty());
    CHECK(round_factors(A, B, type).loss == 0);
    CHECK(round_factors(WideFactor::Zero(4, 16), B, type).loss == 0);
  }
  WideFactor A = normal_factor(random, 3, 16, 1e-7), B = normal_factor(random, 16, 3, 1);
  B.col(1).setZero();
  A.row(2).setZero();
  auto rounding = round_factors(A, B, StorageType::f16);
  REQUIRE(rounding.exponents.size() == 3);
  CHECK(rounding.exponents[0] < 0);
  CHECK(rounding.exponents[1] == 0);
  CHECK(rounding.exponents[2] == 0);
  CHECK(rounding.loss < explained_loss(StorageType::f16));
  // Out of the range, but of no product.
  A.row(1).setConstant(1e9);
  rounding = round_factors(A, B, StorageType::f16);
  CHECK(rounding.loss < explained_loss(StorageType::f16));
  CHECK(rounding.exponents[1] == 30);

  for (const auto& [m, n, r] : {std::tuple(1, 1, 1), std::tuple(1, 9, 1), std::tuple(9, 1, 1),
                                std::tuple(2, 3, 5), std::tuple(40, 2, 3)}) {
    const WideFactor a = normal_factor(random, r, n, 10), b = normal_factor(random, m, r, 1e-7);
    const auto found = round_factors(a, b, StorageType::f16);
    CHECK(found.loss == Approx(dense_loss(a, b, StorageType::f16, found.exponents)).margin(1e-9));
  }
}

TEST_CASE("a few small numbers among large ones move nothing", "[factor_rounding]") {
  LORAPRO_TEST_RANDOM(random, 7);
  WideFactor A = normal_factor(random, 2, 30, 1), B = normal_factor(random, 30, 2, 1);
  A(0, 3) = 1e-7;
  B(5, 1) = -3e-8;
  CHECK(round_factors(A, B, StorageType::f16).exponents.empty());
}

TEST_CASE("numbers that are not finite have an infinite loss", "[factor_rounding]") {
  LORAPRO_TEST_RANDOM(random, 8);
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), kInfiniteLoss, -kInfiniteLoss}) {
    WideFactor A = normal_factor(random, 2, 5, 1), B = normal_factor(random, 5, 2, 1);
    A(1, 1) = bad;
    CHECK(round_factors(A, B, StorageType::f16).loss == kInfiniteLoss);
    CHECK_FALSE(float_factors(A, B).fits);
    CHECK(round_factors(B.transpose(), A.transpose(), StorageType::f16).loss == kInfiniteLoss);
  }
}

TEST_CASE("factors of double in float", "[factor_rounding]") {
  LORAPRO_TEST_RANDOM(random, 9);
  const WideFactor A = normal_factor(random, 3, 8, 1), B = normal_factor(random, 9, 3, 1);
  CHECK(float_factors(A, B).A == A.cast<float>());
  CHECK(float_factors(A, B).B == B.cast<float>());
  for (const double size : {1e-60, 1e-42, 1e41, 1e60}) {
    CAPTURE(size);
    const auto found = float_factors(A, size * B);
    CHECK(found.fits);
    const WideFactor came = found.B.cast<double>() * found.A.cast<double>();
    CHECK((came - size * B * A).norm() <=
          explained_loss(StorageType::f32) * 2 * (size * B * A).norm());
    CHECK(float_factors(size * A, B).fits);
  }
  CHECK_FALSE(float_factors(1e-45 * A, 1e-45 * B).fits);
  CHECK_FALSE(float_factors(1e45 * A, 1e45 * B).fits);
  CHECK(float_factors(1e-60 * A, 0 * B).fits);
  CHECK(float_factors(1e60 * A, 0 * B).fits);
}

}  // namespace

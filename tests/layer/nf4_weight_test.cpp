// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/layer/nf4_weight.hpp>

#include <cmath>   // std::erfc, std::sqrt
#include <vector>  // std::vector

#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::Index;
using lorapro::kNf4Levels;
using lorapro::Nf4Weight;
using lorapro::RowMatrix;
using lorapro::detail::kDynamicValues;
using Matrix = RowMatrix<double>;

/// By the formulas, entry by entry, from the bytes.
double dequantized_absmax(const Nf4Weight& weight, Index block) {
  return double(weight.absmax_mean()) + double(weight.absmax_scales()[block / 256]) *
                                            double(kDynamicValues[weight.absmax_codes()[block]]);
}

Matrix dequantized(const Nf4Weight& weight) {
  Matrix out(weight.out_features(), weight.in_features());
  for (Index k = 0; k < out.size(); ++k) {
    const int byte = weight.codes()[k / 2], code = k % 2 == 0 ? byte / 16 : byte % 16;
    out.data()[k] =
        dequantized_absmax(weight, k / 64) * double(kNf4Levels[static_cast<std::size_t>(code)]);
  }
  return out;
}

std::vector<double> block_absmax(const Matrix& W) {
  std::vector<double> out((static_cast<std::size_t>(W.size()) + 63) / 64, 0.0);
  for (Index k = 0; k < W.size(); ++k) {
    double& largest = out[static_cast<std::size_t>(k / 64)];
    largest = std::max(largest, std::abs(W.data()[k]));
  }
  return out;
}

TEST_CASE("the levels are quantiles of a normal distribution", "[nf4_weight]") {
  // The largest level stands for the probability 0.9677083; 8 probabilities from there down to 1/2
  // make the positive levels, 7 the negative ones.
  constexpr double kOffset = 0.9677083;
  const auto probability = [](double z) { return std::erfc(-z / std::sqrt(2.0)) / 2; };
  double low = 0, high = 4;
  for (int k = 0; k < 100; ++k) {
    const double middle = (low + high) / 2;
    (probability(middle) < kOffset ? low : high) = middle;
  }
  for (int k = 0; k < 8; ++k)
    CHECK(std::abs(probability(double(kNf4Levels[std::size_t(15 - k)]) * low) -
                   (kOffset - k * (kOffset - 0.5) / 8)) < 2e-7);
  for (int k = 0; k < 7; ++k)
    CHECK(std::abs(probability(-double(kNf4Levels[std::size_t(k)]) * low) -
                   (kOffset - k * (kOffset - 0.5) / 7)) < 2e-7);
  CHECK(kNf4Levels[7] == 0);
}

TEST_CASE("the dynamic values", "[nf4_weight]") {
  for (std::size_t k = 1; k < 256; ++k) CHECK(kDynamicValues[k] > kDynamicValues[k - 1]);
  for (std::size_t k = 0; k < 127; ++k) CHECK(kDynamicValues[k] == -kDynamicValues[254 - k]);
  CHECK(kDynamicValues[127] == 0);
  CHECK(kDynamicValues[128] == 5.5e-7F);   // the one number of the lowest decade
  CHECK(kDynamicValues[129] == 3.25e-6F);  // the two of the next
  CHECK(kDynamicValues[130] == 7.75e-6F);
  CHECK(kDynamicValues[191] == 0.10703125F);  // the highest decade, in steps of 0.9 / 64
  CHECK(kDynamicValues[192] == 0.12109375F);
  CHECK(kDynamicValues[254] == 0.99296875F);
  CHECK(kDynamicValues[255] == 1);
}

TEST_CASE("the nearest of several values", "[nf4_weight]") {
  using lorapro::detail::nearest;
  const std::array<float, 5> values{-2, -1, 0, 4, 5};
  const auto at = [&](double x) { return int(nearest(values, x)); };
  CHECK(std::vector<int>{at(-9), at(-1.5), at(-1.4), at(0), at(2), at(2.1), at(4.6), at(9)} ==
        std::vector<int>{0, 0, 1, 2, 2, 3, 4, 4});
  for (std::size_t k = 0; k < 256; ++k) {
    CHECK(nearest(kDynamicValues, double(kDynamicValues[k])) == k);
    if (k < 16) CHECK(nearest(kNf4Levels, double(kNf4Levels[k])) == k);
  }
}

TEST_CASE("a block quantised by hand", "[nf4_weight]") {
  RowMatrix<float> W = RowMatrix<float>::Zero(4, 16);
  W.row(0).head(8) << 2, -2, 0, 0.16F, 1, -1, 0.079F, 0.081F;
  const auto weight = Nf4Weight::quantize(W);
  REQUIRE(weight.blocks() == 1);
  std::vector<int> expected(32, 0x77);
  expected[0] = 0xf0;  // 1 and -1 of the largest
  expected[1] = 0x78;  // 0; 0.08 is nearest to 0.0796
  expected[2] = 0xc2;  // 0.5 is nearer to 0.4407 than to 0.5626, -0.5 nearer to -0.525
  expected[3] = 0x78;  // 0.0395 and 0.0405, on either side of half of 0.0796
  CHECK(std::vector<int>(weight.codes(), weight.codes() + 32) == expected);
  CHECK(weight.absmax_mean() == 2);
  CHECK(weight.absmax_scales()[0] == 0);
  CHECK(int(weight.absmax_codes()[0]) == 127);
  CHECK(weight.bytes() == 32 + 1 + 4 + 4);
  CHECK(dequantized(weight)(0, 4) == 2 * double(0.44070982933044434F));
}

TEST_CASE("two scales quantised by hand", "[nf4_weight]") {
  RowMatrix<float> W = RowMatrix<float>::Zero(3, 43);  // 129 entries: blocks of 64, 64 and 1
  W.data()[10] = -1;
  W.data()[100] = 3;
  W.data()[128] = 2;
  const auto weight = Nf4Weight::quantize(W);
  REQUIRE(weight.blocks() == 3);
  CHECK(weight.absmax_mean() == 2);
  CHECK(weight.absmax_scales()[0] == 1);
  // -1, 1 and 0 of the scale; the data type has no -1.
  CHECK(std::vector<int>(weight.absmax_codes(), weight.absmax_codes() + 3) ==
        std::vector<int>{0, 255, 127});
  CHECK(weight.absmax(0) == Approx(2 - 0.99296875).epsilon(1e-6));
  CHECK(weight.absmax(1) == 3);
  CHECK(weight.absmax(2) == 2);
  CHECK(int(weight.codes()[5]) == 0x07);
  CHECK(int(weight.codes()[50]) == 0xf7);
  CHECK(int(weight.codes()[64]) == 0xf0);  // no second entry
  CHECK(weight.bytes() == 65 + 3 + 4 + 4);
}

TEST_CASE("the error is at most half the widest gaps", "[nf4_weight]") {
  LORAPRO_TEST_RANDOM(random, 2401);
  // Rows that are no multiple of a block, an odd number of entries, several groups of scales.
  const Index shapes[][2] = {{1, 1}, {5, 100}, {7, 9}, {130, 301}, {256, 64}};
  for (const auto& shape : shapes) {
    CAPTURE(shape[0], shape[1]);
    Matrix W = reference::rounded<float>(random.matrix(shape[0], shape[1], 0.02)).cast<double>();
    for (Index i = 0; i < W.rows(); ++i) W.row(i) *= std::ldexp(1.0, int(i % 4));
    const auto weight = Nf4Weight::quantize(W);
    const Matrix decoded = dequantized(weight);
    const std::vector<double> absmax = block_absmax(W);
    REQUIRE(weight.blocks() == Index(absmax.size()));
    const double half_gap = (1 - 0.6961928009986877) / 2, half_step = 0.9 / 128;
    int wrong = 0, wrong_scales = 0;
    for (Index b = 0; b < weight.blocks(); ++b)
      wrong_scales += std::abs(dequantized_absmax(weight, b) - absmax[std::size_t(b)]) >
                      half_step * double(weight.absmax_scales()[b / 256]) + 1e-6;
    for (Index k = 0; k < W.size(); ++k)
      wrong += std::abs(decoded.data()[k] - W.data()[k]) >
               (half_gap + 1e-6) * absmax[std::size_t(k / 64)] +
                   (half_step + 1e-6) * double(weight.absmax_scales()[k / 64 / 256]);
    CHECK(wrong == 0);
    CHECK(wrong_scales == 0);
    if (W.size() < 1000) continue;
    // What 4 bits are known to cost normal numbers.
    const double relative = (decoded - W).norm() / W.norm();
    CHECK(relative > 0.07);
    CHECK(relative < 0.11);
  }
}

TEMPLATE_TEST_CASE("any block of NF4 can be decoded", "[nf4_weight]", float, double) {
  LORAPRO_TEST_RANDOM(random, 2402);
  for (const Index cols : {151, 192}) {
    const auto weight = Nf4Weight::quantize(reference::rounded<double>(random.matrix(9, cols)));
    const Matrix whole = dequantized(weight);
    const Index blocks[][4] = {{0, 9, 0, cols}, {2, 3, 1, 64},   {8, 1, cols - 1, 1},
                               {1, 1, 64, 0},   {4, 2, 33, 101}, {3, 4, 96, 32}};
    for (const auto& block : blocks) {
      CAPTURE(cols, block[0], block[1], block[2], block[3]);
      RowMatrix<TestType> out =
          RowMatrix<TestType>::Constant(block[1], block[3] + 2, TestType(-77));
      weight.decode(block[0], block[1], block[2], block[3], out.data(), block[3] + 2);
      const Matrix expected = whole.block(block[0], block[2], block[1], block[3]);
      CHECK(support::distance(out.leftCols(block[3]), expected) <=
            support::tolerance<float>(2, 1, 1, expected.norm()));
      CHECK((out.rightCols(2).array() == TestType(-77)).all());
    }
  }
}

TEST_CASE("zeros stay zeros beside blocks that are not", "[nf4_weight]") {
  LORAPRO_TEST_RANDOM(random, 2403);
  Matrix W = reference::rounded<double>(random.matrix(20, 64));
  W.row(3).setZero();
  W.row(7).head(32).setZero();
  W.row(11) *= 1e-9;
  const auto weight = Nf4Weight::quantize(W);
  CHECK(weight.absmax(3) != 0);  // the scale of the block is rounded away from 0
  const Matrix decoded = dequantized(weight);
  CHECK((decoded.row(3).array() == 0).all());
  CHECK((decoded.row(7).head(32).array() == 0).all());
  CHECK(decoded.allFinite());
  const auto nothing = Nf4Weight::quantize(Matrix::Zero(5, 30));
  CHECK((dequantized(nothing).array() == 0).all());
}

TEST_CASE("handles share one NF4 weight", "[nf4_weight]") {
  const auto first = Nf4Weight::quantize(Matrix::Identity(4, 4));
  const Nf4Weight second = first;
  CHECK(second.codes() == first.codes());
}

TEST_CASE("what is no weight is not quantised to NF4", "[nf4_weight]") {
  Matrix W = Matrix::Ones(3, 50);
  const std::string refused =
      "base_weight: expected finite numbers within the range of the format, got ";
  W(2, 30) = -std::numeric_limits<double>::infinity();
  CHECK_THROWS_WITH(Nf4Weight::quantize(W), refused + "-inf at (2, 30)");
  W(2, 30) = 1e39;
  CHECK_THROWS_WITH(Nf4Weight::quantize(W), refused + "1e+39 at (2, 30)");
  W(2, 30) = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(Nf4Weight::quantize(W), lorapro::ConfigError);
  CHECK_THROWS_WITH(Nf4Weight::quantize(Matrix(3, 0)),
                    "base_weight: expected at least (1, 1), got (3, 0)");
}

}  // namespace

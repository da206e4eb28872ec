// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/layer/int8_weight.hpp>

#include <vector>  // std::vector

#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::Index;
using lorapro::Int8Weight;
using lorapro::RowMatrix;
using Matrix = RowMatrix<double>;

/// By the formula, from the bytes.
Matrix dequantized(const Int8Weight& weight) {
  Matrix out(weight.out_features(), weight.in_features());
  for (Index i = 0; i < out.rows(); ++i)
    for (Index j = 0; j < out.cols(); ++j)
      out(i, j) = double(weight.scales()[i]) * weight.codes()[i * out.cols() + j];
  return out;
}

TEST_CASE("rows quantised by hand", "[int8_weight]") {
  RowMatrix<float> W(3, 5);
  W << 31.75F, 0.25F, -0.375F, 0.125F, 0.12F,  // scale 1/4; -1.5 and 0.5 go to the even neighbour
      0, 0, 0, 0, 0,                           //
      -127, 126.4F, 1.5F, -0.5F, 2.5F;         // scale 1
  const auto weight = Int8Weight::quantize(W);
  CHECK((weight.out_features() == 3 && weight.in_features() == 5));
  const std::vector<int> codes(weight.codes(), weight.codes() + 15);
  CHECK(codes == std::vector<int>{127, 1, -2, 0, 0, 0, 0, 0, 0, 0, -127, 126, 2, 0, 2});
  CHECK(std::vector<float>(weight.scales(), weight.scales() + 3) ==
        std::vector<float>{0.25F, 0, 1});
  CHECK(weight.bytes() == 15 + 12);
  Matrix decoded(3, 5);
  weight.decode(0, 3, 0, 5, decoded.data(), 5);
  CHECK(decoded == dequantized(weight));
  CHECK(decoded(0, 2) == -0.5);
}

TEMPLATE_TEST_CASE("the error is at most half a step", "[int8_weight]", float, double,
                   lorapro::bfloat16, lorapro::half) {
  LORAPRO_TEST_RANDOM(random, 2301);
  for (const Index cols : {1, 63, 64, 100, 333}) {
    CAPTURE(cols);
    const auto W = reference::rounded<TestType>(random.matrix(37, cols, 0.02));
    const auto weight = Int8Weight::quantize(W);
    const Matrix decoded = dequantized(weight);
    double worst = 0;
    for (Index i = 0; i < W.rows(); ++i) {
      const double scale = weight.scales()[i];
      const double largest = W.row(i).template cast<double>().cwiseAbs().maxCoeff();
      CHECK(127 * scale >= largest);
      CHECK(127 * scale <= largest * (1 + lorapro::storage_epsilon<float>()));
      for (Index j = 0; j < cols; ++j)
        worst = std::max(worst, std::abs(decoded(i, j) - double(W(i, j))) / scale);
    }
    CHECK(worst <= 0.5 * (1 + 1e-12));
    if (cols == 333) CHECK(worst > 0.49);  // the bound is sharp
  }
}

TEMPLATE_TEST_CASE("any block can be decoded", "[int8_weight]", float, double) {
  LORAPRO_TEST_RANDOM(random, 2302);
  const auto weight = Int8Weight::quantize(reference::rounded<double>(random.matrix(9, 150)));
  const Matrix whole = dequantized(weight);
  const Index blocks[][4] = {{0, 9, 0, 150}, {2, 3, 1, 64}, {8, 1, 149, 1}, {4, 2, 33, 101}};
  for (const auto& block : blocks) {
    CAPTURE(block[0], block[1], block[2], block[3]);
    RowMatrix<TestType> out = RowMatrix<TestType>::Constant(block[1], block[3] + 2, TestType(-77));
    weight.decode(block[0], block[1], block[2], block[3], out.data(), block[3] + 2);
    const Matrix expected = whole.block(block[0], block[2], block[1], block[3]);
    CHECK(support::distance(out.leftCols(block[3]), expected) <=
          support::tolerance<TestType>(1, 1, 1, expected.norm()));
    CHECK((out.rightCols(2).array() == TestType(-77)).all());
  }
}

TEST_CASE("rows of the smallest and the largest numbers", "[int8_weight]") {
  constexpr float kTiny = std::numeric_limits<float>::denorm_min();
  constexpr float kLargest = std::numeric_limits<float>::max();
  RowMatrix<float> W(3, 2);
  W << 190 * kTiny, -189 * kTiny, kTiny, 0, -kLargest, kLargest / 2;
  const auto weight = Int8Weight::quantize(W);
  const Matrix decoded = dequantized(weight);
  for (Index i = 0; i < 3; ++i)
    for (Index j = 0; j < 2; ++j)
      CHECK(std::abs(decoded(i, j) - double(W(i, j))) <=
            double(weight.scales()[i]) / 2 * (1 + 1e-12));
}

TEST_CASE("handles share one int8 weight", "[int8_weight]") {
  const auto first = Int8Weight::quantize(Matrix::Identity(4, 4));
  const Int8Weight second = first;
  CHECK(second.codes() == first.codes());
}

TEST_CASE("what is no weight is not quantised to int8", "[int8_weight]") {
  Matrix W = Matrix::Ones(3, 4);
  const std::string refused =
      "base_weight: expected finite numbers within the range of the format, got ";
  W(1, 2) = std::numeric_limits<double>::infinity();
  CHECK_THROWS_WITH(Int8Weight::quantize(W), refused + "inf at (1, 2)");
  W(1, 2) = -1e39;
  CHECK_THROWS_WITH(Int8Weight::quantize(W), refused + "-1e+39 at (1, 2)");
  W(1, 2) = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(Int8Weight::quantize(W), lorapro::ConfigError);
  CHECK_THROWS_WITH(Int8Weight::quantize(Matrix(0, 3)),
                    "base_weight: expected at least (1, 1), got (0, 3)");
}

}  // namespace

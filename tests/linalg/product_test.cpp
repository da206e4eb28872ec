// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/linalg/product.hpp>

#include <vector>  // std::vector

#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::Index;
using Real = reference::Real;

/// Random numbers with a value on each side that must not be touched.
template <typename Scalar>
std::vector<Scalar> random_values(support::Random& random, Index size) {
  std::vector<Scalar> out(static_cast<std::size_t>(size));
  for (Scalar& value : out) value = static_cast<Scalar>(random.normal());
  return out;
}

/// |got - sum of products| <= (terms + 1) eps (sum of absolute products).
template <typename Scalar>
bool close(Scalar got, Real expected, Real absolute, Index terms) {
  return std::abs(got - expected) <= support::tolerance<Scalar>(1, static_cast<double>(terms + 1),
                                                                1, static_cast<double>(absolute));
}

template <typename Scalar>
void check_product(support::Random& random, Index rows, Index depth, Index width, bool transposed,
                   bool accumulate) {
  CAPTURE(rows, depth, width, transposed, accumulate);
  const Index panel_stride = width + 3, out_stride = width + 5;
  const Index row_stride = transposed ? 1 : depth + 1, col_stride = transposed ? rows + 2 : 1;
  const auto C = random_values<Scalar>(random, (rows + 2) * (depth + 2));
  const auto panel = random_values<Scalar>(random, depth * panel_stride + 1);
  const auto before = random_values<Scalar>(random, rows * out_stride);
  auto out = before;
  lorapro::panel_product(C.data(), row_stride, col_stride, rows, depth, panel.data(), panel_stride,
                         width, out.data(), out_stride, accumulate);
  int wrong = 0, touched = 0;
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < out_stride; ++j) {
      const auto at = static_cast<std::size_t>(i * out_stride + j);
      if (j >= width) {
        touched += out[at] != before[at];
        continue;
      }
      Real sum = accumulate ? before[at] : 0, absolute = std::abs(sum);
      for (Index k = 0; k < depth; ++k) {
        const Real term = Real(C[static_cast<std::size_t>(i * row_stride + k * col_stride)]) *
                          panel[static_cast<std::size_t>(k * panel_stride + j)];
        sum += term;
        absolute += std::abs(term);
      }
      wrong += !close(out[at], sum, absolute, depth);
    }
  CHECK(wrong == 0);
  CHECK(touched == 0);
}

TEMPLATE_TEST_CASE("panel_product is the matrix product", "[product]", float, double) {
  LORAPRO_TEST_RANDOM(random, 11);
  for (Index rows = 1; rows <= 9; ++rows)
    for (const Index depth : {0, 1, 2, 5, 16})
      for (const Index width : {1, 2, 7, 8, 15, 16, 31, 32, 33, 70})
        check_product<TestType>(random, rows, depth, width, (rows + depth) % 2 == 0,
                                width % 2 == 0);
  for (const bool transposed : {false, true})
    for (const bool accumulate : {false, true})
      check_product<TestType>(random, 13, 64, 96, transposed, accumulate);
}

/// \param gap  between rows; without one and with depth == width there is a path of its own.
template <typename Scalar>
void check_product_sum(support::Random& random, Index rows, Index depth, Index width, Index gap) {
  CAPTURE(rows, depth, width, gap);
  const auto element = [](const std::vector<Scalar>& values, Index at) {
    return Real(values[static_cast<std::size_t>(at)]);
  };
  const Index stride_C = depth + gap, stride_D = depth + 2 * gap, stride_X = width + 3 * gap,
              stride_Y = width + 4 * gap, stride = width + 5;
  const auto C = random_values<Scalar>(random, rows * stride_C);
  const auto D = random_values<Scalar>(random, rows * stride_D);
  const auto X = random_values<Scalar>(random, depth * stride_X + 1);
  const auto Y = random_values<Scalar>(random, depth * stride_Y + 1);
  const auto before = random_values<Scalar>(random, rows * stride);
  auto out = before;
  lorapro::panel_product_sum({C.data(), stride_C, X.data(), stride_X},
                             {D.data(), stride_D, Y.data(), stride_Y}, rows, depth, width,
                             out.data(), stride);
  int wrong = 0;
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < stride; ++j) {
      const auto at = static_cast<std::size_t>(i * stride + j);
      Real sum = j < width ? 0 : Real(before[at]), absolute = 0;
      for (Index k = 0; k < depth && j < width; ++k)
        for (const Real term : {element(C, i * stride_C + k) * element(X, k * stride_X + j),
                                element(D, i * stride_D + k) * element(Y, k * stride_Y + j)}) {
          sum += term;
          absolute += std::abs(term);
        }
      wrong += !close(out[at], sum, absolute, 2 * depth);
    }
  CHECK(wrong == 0);
}

TEMPLATE_TEST_CASE("panel_product_sum is the sum of two products", "[product]", float, double) {
  LORAPRO_TEST_RANDOM(random, 14);
  for (const Index rows : {1, 3, 8, 9, 20})
    for (const Index depth : {0, 1, 5, 8, 16})
      for (const Index width : {1, 4, 8, 15, 16, 48, 70})
        for (const Index gap : {0, 1}) check_product_sum<TestType>(random, rows, depth, width, gap);
}

template <typename Scalar>
void check_dots(support::Random& random, Index rows, Index cols, Index width, bool transposed) {
  CAPTURE(rows, cols, width, transposed);
  const Index left_stride = width + 1, right_stride = width + 4;
  const Index row_stride = transposed ? 1 : cols + 3, col_stride = transposed ? rows + 2 : 1;
  const auto left = random_values<Scalar>(random, rows * left_stride + 1);
  const auto right = random_values<Scalar>(random, cols * right_stride + 1);
  const auto before = random_values<Scalar>(random, (rows + 3) * (cols + 3));
  auto out = before, untouched = before;
  lorapro::panel_dots(left.data(), left_stride, rows, right.data(), right_stride, cols, width,
                      out.data(), row_stride, col_stride);
  int wrong = 0;
  for (Index i = 0; i < rows; ++i)
    for (Index k = 0; k < cols; ++k) {
      const auto at = static_cast<std::size_t>(i * row_stride + k * col_stride);
      Real sum = before[at], absolute = std::abs(sum);
      for (Index j = 0; j < width; ++j) {
        const Real term = Real(left[static_cast<std::size_t>(i * left_stride + j)]) *
                          right[static_cast<std::size_t>(k * right_stride + j)];
        sum += term;
        absolute += std::abs(term);
      }
      wrong += !close(out[at], sum, absolute, width);
      untouched[at] = out[at];
    }
  CHECK(wrong == 0);
  CHECK(out == untouched);
}

TEMPLATE_TEST_CASE("panel_dots accumulates the dot products of rows", "[product]", float, double) {
  LORAPRO_TEST_RANDOM(random, 12);
  for (Index rows = 1; rows <= 9; ++rows)
    for (Index cols = 1; cols <= 9; ++cols)
      for (const Index width : {0, 1, 7, 16, 33})
        check_dots<TestType>(random, rows, cols, width, (rows + cols) % 2 == 0);
  check_dots<TestType>(random, 64, 17, 256, false);
}

TEST_CASE("a product does not depend on the rows computed beside it", "[product]") {
  // Row blocks of four and single rows share one arithmetic: the bits of a row are its own.
  LORAPRO_TEST_RANDOM(random, 13);
  constexpr Index kRows = 7, kDepth = 6, kWidth = 32;
  const auto C = random_values<float>(random, kRows * kDepth);
  const auto panel = random_values<float>(random, kDepth * kWidth);
  std::vector<float> all(kRows * kWidth), one(kWidth);
  lorapro::panel_product(C.data(), kDepth, Index{1}, kRows, kDepth, panel.data(), kWidth, kWidth,
                         all.data(), kWidth, false);
  for (Index i = 0; i < kRows; ++i) {
    lorapro::panel_product(C.data() + i * kDepth, kDepth, Index{1}, Index{1}, kDepth, panel.data(),
                           kWidth, kWidth, one.data(), kWidth, false);
    CHECK(std::equal(one.begin(), one.end(), all.begin() + i * kWidth));
  }
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/layer/base_weight.hpp>
#include <lorapro/layer/int8_weight.hpp>

#include <utility>  // std::move
#include <vector>   // std::vector

#include "support/catch.hpp"

namespace {

using lorapro::BaseWeight;
using lorapro::bfloat16;
using lorapro::half;
using lorapro::Index;
using lorapro::RowMatrix;

TEST_CASE("a mapped weight is not copied", "[base_weight]") {
  std::vector<float> memory{1, 2, 3, 4, 5, 6};
  const auto weight = BaseWeight<float>::map(memory.data(), 2, 3);
  CHECK(weight.data() == memory.data());
  CHECK(weight.writable_data() == nullptr);
  CHECK(weight.out_features() == 2);
  CHECK(weight.in_features() == 3);
  CHECK(weight.matrix()(1, 0) == 4);
  memory[3] = 40;
  CHECK(weight.matrix()(1, 0) == 40);
}

TEST_CASE("a writable map can be written", "[base_weight]") {
  std::vector<double> memory{1, 2, 3, 4, 5, 6};
  const auto weight = BaseWeight<double>::map_writable(memory.data(), 3, 2);
  REQUIRE(weight.writable_data() == memory.data());
  weight.writable_data()[5] = 60;
  CHECK(memory[5] == 60);
  CHECK(weight.matrix()(2, 1) == 60);
}

template <typename Matrix, typename = void>
constexpr bool can_be_mapped = false;
template <typename Matrix>
constexpr bool
    can_be_mapped<Matrix, std::void_t<decltype(BaseWeight<float>::map(std::declval<Matrix>()))>> =
        true;

TEST_CASE("Eigen matrices are mapped as they lie", "[base_weight]") {
  RowMatrix<float> matrix = RowMatrix<float>::Random(5, 3);
  const RowMatrix<float>& constant = matrix;
  CHECK(BaseWeight<float>::map(constant).data() == matrix.data());
  CHECK(BaseWeight<float>::map(constant).writable_data() == nullptr);
  const auto writable = BaseWeight<float>::map_writable(matrix);
  CHECK(writable.writable_data() == matrix.data());
  CHECK((writable.out_features() == 5 && writable.in_features() == 3));
  const Eigen::Map<const RowMatrix<float>> map(matrix.data(), 3, 5);
  CHECK(BaseWeight<float>::map(map).in_features() == 5);
  CHECK(BaseWeight<float>::map(matrix.middleRows(1, 2)).data() == matrix.data() + 3);
  CHECK_THROWS_WITH(BaseWeight<float>::map(matrix.leftCols(2)),
                    "base_weight: expected rows that follow one another, 2 elements apart, got 3");
  CHECK_THROWS_AS(BaseWeight<float>::map(RowMatrix<float>::Zero(0, 3).eval().middleRows(0, 0)),
                  lorapro::ShapeError);
  static_assert(can_be_mapped<RowMatrix<float>&>);
  static_assert(can_be_mapped<Eigen::Map<RowMatrix<float>>>);
  static_assert(!can_be_mapped<RowMatrix<float>>, "a temporary would be gone");
}

TEMPLATE_TEST_CASE("an owned weight is a row-major copy", "[base_weight]", float, double, bfloat16,
                   half) {
  using Matrix = Eigen::Matrix<TestType, Eigen::Dynamic, Eigen::Dynamic>;
  Matrix source(3, 4);
  for (Index k = 0; k < 12; ++k) source.data()[k] = TestType(static_cast<float>(k));
  const auto check = [&](const BaseWeight<TestType>& weight) {
    REQUIRE((weight.out_features() == 3 && weight.in_features() == 4));
    for (Index i = 0; i < 3; ++i)
      for (Index j = 0; j < 4; ++j) {
        CHECK(weight.data()[4 * i + j] == source(i, j));
        CHECK(weight.matrix()(i, j) == source(i, j));
      }
    CHECK(weight.writable_data() == weight.data());
  };
  const auto weight = BaseWeight<TestType>::own(source);
  CHECK(weight.data() != source.data());
  check(weight);
  const RowMatrix<TestType> row_major = source;
  check(BaseWeight<TestType>::own(row_major));
  RowMatrix<TestType> canvas = RowMatrix<TestType>::Constant(9, 9, TestType(0));
  canvas.block(2, 3, 3, 4) = source;
  check(BaseWeight<TestType>::own(canvas.block(2, 3, 3, 4)));
}

TEST_CASE("a weight can be made of an expression", "[base_weight]") {
  const RowMatrix<float> ones = RowMatrix<float>::Ones(2, 2);
  CHECK(BaseWeight<float>::own(2 * ones + ones).matrix() == RowMatrix<float>::Constant(2, 2, 3));
}

TEMPLATE_TEST_CASE("a weight is rounded to nearest", "[base_weight]", float, double, bfloat16,
                   half) {
  RowMatrix<double> source(2, 3);
  source << 1, -1.0009765625, 0.333, 3e-3, 0, -6e4;
  const auto weight = BaseWeight<TestType>::quantize(source);
  for (Index k = 0; k < 6; ++k) {
    const double got = static_cast<double>(static_cast<float>(weight.data()[k]));
    CHECK(std::abs(got - source.data()[k]) <=
          std::max(lorapro::storage_epsilon<TestType>(), lorapro::storage_epsilon<float>()) / 2 *
              std::abs(source.data()[k]));
  }
  CHECK(weight.bytes() == 6 * sizeof(TestType));
  CHECK(weight.writable_data() == weight.data());
  source(1, 0) = std::numeric_limits<double>::infinity();
  const std::string refused =
      "base_weight: expected finite numbers within the range of the format, got ";
  CHECK_THROWS_WITH(BaseWeight<TestType>::quantize(source), refused + "inf at (1, 0)");
  source(1, 0) = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(BaseWeight<TestType>::quantize(source), lorapro::ConfigError);
  CHECK_THROWS_AS(BaseWeight<TestType>::quantize(RowMatrix<double>(0, 2)), lorapro::ShapeError);
}

TEST_CASE("a weight beyond its format is refused", "[base_weight]") {
  RowMatrix<double> source = RowMatrix<double>::Constant(1, 2, 70000);
  const std::string refused =
      "base_weight: expected finite numbers within the range of the format, got ";
  CHECK_THROWS_WITH(BaseWeight<half>::quantize(source), refused + "70000 at (0, 0)");
  source << 65504, -1e39;
  CHECK_THROWS_WITH(BaseWeight<half>::quantize(source), refused + "-1e+39 at (0, 1)");
  CHECK_THROWS_WITH(BaseWeight<bfloat16>::quantize(source), refused + "-1e+39 at (0, 1)");
  CHECK_THROWS_WITH(BaseWeight<float>::quantize(source), refused + "-1e+39 at (0, 1)");
  CHECK_NOTHROW(BaseWeight<double>::quantize(source));
}

TEMPLATE_TEST_CASE("blocks of a weight are converted", "[base_weight]", float, double, bfloat16,
                   half) {
  RowMatrix<double> source(5, 70);
  for (Index k = 0; k < source.size(); ++k) source.data()[k] = static_cast<double>(k % 100 - 50);
  const auto weight = BaseWeight<TestType>::quantize(source);  // exact in every type
  RowMatrix<float> floats = RowMatrix<float>::Constant(3, 67, 7);
  weight.decode(1, 3, 4, 65, floats.data(), 67);
  CHECK(floats.leftCols(65).cast<double>() == source.block(1, 4, 3, 65));
  CHECK((floats.rightCols(2).array() == 7).all());
  RowMatrix<double> doubles(1, 3);
  weight.decode(4, 1, 67, 3, doubles.data(), 3);
  CHECK(doubles == source.block(4, 67, 1, 3));
}

TEST_CASE("handles share one weight and know it", "[base_weight]") {
  const RowMatrix<float> ones = RowMatrix<float>::Ones(2, 2);
  auto first = BaseWeight<float>::own(ones);
  CHECK(first.sole());
  {
    const BaseWeight<float> second = first;
    CHECK(second.data() == first.data());
    CHECK_FALSE(first.sole());
    CHECK_FALSE(second.sole());
    first.writable_data()[3] = 9;
    CHECK(second.matrix()(1, 1) == 9);
  }
  CHECK(first.sole());
  const float* const address = first.data();
  const BaseWeight<float> moved = std::move(first);
  CHECK(moved.sole());
  CHECK(moved.data() == address);
}

TEST_CASE("a weight without memory or size is refused", "[base_weight]") {
  float value = 0;
  const std::string null = "base_weight: expected a buffer, got a null pointer";
  CHECK_THROWS_WITH(BaseWeight<float>::map(nullptr, 2, 3), null);
  CHECK_THROWS_WITH(BaseWeight<float>::map_writable(nullptr, 2, 3), null);
  CHECK_THROWS_WITH(BaseWeight<float>::map(&value, 0, 3),
                    "base_weight: expected at least (1, 1), got (0, 3)");
  CHECK_THROWS_WITH(BaseWeight<float>::map(&value, 2, -1),
                    "base_weight: expected at least (1, 1), got (2, -1)");
  CHECK_THROWS_AS(BaseWeight<float>::own(RowMatrix<float>(0, 0)), lorapro::ShapeError);
}

TEST_CASE("only a sole, writable, floating-point W0 can be merged into", "[base_weight]") {
  lorapro::RowMatrix<float> W = lorapro::RowMatrix<float>::Ones(2, 3);
  const auto sole = lorapro::BaseWeight<float>::map_writable(W);
  CHECK_NOTHROW(lorapro::detail::check_can_merge(sole));
  CHECK_THROWS_WITH(
      lorapro::detail::check_can_merge(lorapro::BaseWeight<float>::map(W.data(), 2, 3)),
      "base_weight: expected a writable W0 to merge into, got a read-only one");
  const auto second = sole;
  CHECK_THROWS_WITH(lorapro::detail::check_can_merge(sole),
                    "base_weight: expected sole ownership to merge, got a shared W0");
  CHECK_THROWS_WITH(lorapro::detail::check_can_merge(lorapro::Int8Weight::quantize(W)),
                    "base_weight: expected a floating-point W0 to merge into, got int8; merge into "
                    "the original checkpoint instead");
}

}  // namespace

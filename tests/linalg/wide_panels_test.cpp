// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/linalg/wide_panels.hpp>

#include <cmath>   // std::abs
#include <limits>  // std::numeric_limits
#include <vector>  // std::vector

#include "support/random.hpp"
#include "support/squares.hpp"

namespace {

using lorapro::bfloat16;
using lorapro::FactorView;
using lorapro::half;
using lorapro::Index;
using lorapro::Panel;
using lorapro::RowMatrix;
using lorapro::Wide;
using lorapro::WidePanels;
using Matrix = RowMatrix<double>;

/// A factor (rank, length) with any strides; what lies between its elements is not a number.
template <typename T>
struct StridedFactor {
  StridedFactor(const Matrix& values, Index rank_stride, Index length_stride)
      : memory(
            static_cast<std::size_t>(values.rows() * rank_stride + values.cols() * length_stride),
            static_cast<T>(std::numeric_limits<float>::quiet_NaN())),
        view{memory.data(), lorapro::storage_type<T>(), values.rows(), values.cols(), rank_stride,
             length_stride} {
    for (Index k = 0; k < values.rows(); ++k)
      for (Index i = 0; i < values.cols(); ++i)
        memory[static_cast<std::size_t>(k * rank_stride + i * length_stride)] =
            static_cast<T>(values(k, i));
  }
  std::vector<T> memory;
  FactorView view;
};

/// Small integers, which every type holds and whose products are exact.
Matrix integers(support::Random& random, Index rank, Index length) {
  return (4 * random.matrix(rank, length)).array().round().matrix().cast<double>();
}

template <typename T>
void check_products(const Matrix& x, const Matrix& y, Index rank_stride, Index length_stride) {
  CAPTURE(x.rows(), x.cols(), rank_stride, length_stride);
  const StridedFactor<T> factor_x(x, rank_stride, length_stride),
      factor_y(y, rank_stride, length_stride);
  const WidePanels panels(factor_x.view);
  const Index r = x.rows();
  // Not a number where nothing is written.
  const auto size = static_cast<std::size_t>(WidePanels::size(r));
  std::vector<Wide> scratch_x(size, std::nan("")), scratch_y(size, std::nan(""));
  Matrix products = Matrix::Constant(r, r, 3), gram = Matrix::Constant(r, r, 5);
  double squared_norm = 0;
  for (Index panel = 0; panel < panels.count(); ++panel) {
    const auto left = panels.read(factor_x.view, panel, scratch_x.data());
    const auto right = panels.read(factor_y.view, panel, scratch_y.data());
    panels.add_products(panel, left, right, support::square(products));
    panels.add_gram(panel, left, support::square(gram));
    squared_norm += panels.squared_norm(panel, left);
  }
  CHECK(products == Matrix(x * y.transpose() + Matrix::Constant(r, r, 3)));
  lorapro::mirror(support::square(gram));
  CHECK(gram == Matrix(x * x.transpose() + Matrix::Constant(r, r, 5)));
  CHECK(squared_norm == x.squaredNorm());
}

TEMPLATE_TEST_CASE("products of panels of any order, stride and type", "[wide_panels]", float,
                   double, bfloat16, half) {
  LORAPRO_TEST_RANDOM(random, 61);
  for (const Index rank : {1, 2, 3, 4, 5, 7, 8, 11, 16, 25})
    for (const Index length : {1, 2, 9, 255, 256, 261, 520}) {
      const Matrix x = integers(random, rank, length), y = integers(random, rank, length);
      check_products<TestType>(x, y, length, 1);
      check_products<TestType>(x, y, length + 3, 1);
      check_products<TestType>(x, y, 1, rank);
      check_products<TestType>(x, y, 1, rank + 2);
      check_products<TestType>(x, y, 2, 2 * rank + 1);
    }
}

TEST_CASE("positions of a converted panel are scaled", "[wide_panels]") {
  LORAPRO_TEST_RANDOM(random, 62);
  for (const bool position_major : {false, true})
    for (const Index rank : {1, 3, 8, 10}) {
      CAPTURE(position_major, rank);
      const Index length = 70;
      const Matrix x = integers(random, rank, length);
      const StridedFactor<float> factor(x, position_major ? 1 : length, position_major ? rank : 1);
      const WidePanels panels(factor.view);
      std::vector<Wide> converted(static_cast<std::size_t>(WidePanels::size(rank))),
          scratch(converted.size()), factors(static_cast<std::size_t>(length));
      Eigen::VectorXd diagonal(length);
      for (Index i = 0; i < length; ++i) factors[static_cast<std::size_t>(i)] = diagonal(i) = i % 7;
      const auto source =
          lorapro::read_panel<float>(factor.view, panels.source(), 0, nullptr);  // in place
      const auto left = panels.convert(0, source, converted.data());
      panels.scale_positions(0, factors.data(), converted.data());
      Matrix products = Matrix::Zero(rank, rank);
      panels.add_products(0, left, panels.read(factor.view, 0, scratch.data()),
                          support::square(products));
      CHECK(products == Matrix(x * diagonal.asDiagonal() * x.transpose()));
    }
}

}  // namespace

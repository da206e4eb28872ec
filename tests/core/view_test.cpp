// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/core/view.hpp>

#include <vector>  // std::vector

#include "support/catch.hpp"

namespace {

using lorapro::FactorView;
using lorapro::Index;
using lorapro::make_view;
using lorapro::MatrixView;
using lorapro::RowMatrix;
namespace detail = lorapro::detail;

/// Every element of the view is the very element of the matrix.
template <typename Matrix>
void check_elements(Matrix& matrix) {
  const auto view = make_view(matrix);
  REQUIRE(view.rows == matrix.rows());
  REQUIRE(view.cols == matrix.cols());
  for (Index i = 0; i < matrix.rows(); ++i)
    for (Index j = 0; j < matrix.cols(); ++j) CHECK(&view(i, j) == &matrix.coeffRef(i, j));
}

TEST_CASE("a view of an Eigen object shows its elements", "[view]") {
  RowMatrix<float> row_major(4, 5);
  Eigen::MatrixXf col_major(4, 5);
  Eigen::RowVectorXf row(5);
  Eigen::VectorXf col(5);
  check_elements(row_major);
  check_elements(col_major);
  check_elements(row);
  check_elements(col);
  auto row_block = row_major.block(1, 2, 2, 3);
  auto col_block = col_major.block(1, 2, 2, 3);
  check_elements(row_block);
  check_elements(col_block);
  auto transposed = row_major.transpose();
  check_elements(transposed);
  std::vector<float> memory(100);
  using Stride = Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>;
  Eigen::Map<RowMatrix<float>, 0, Stride> map(memory.data(), 3, 4, Stride(20, 3));
  check_elements(map);
}

TEST_CASE("a view of what is const is const", "[view]") {
  RowMatrix<double> matrix(2, 2);
  const RowMatrix<double>& constant = matrix;
  CHECK(std::is_same_v<decltype(make_view(matrix)), MatrixView<double>>);
  CHECK(std::is_same_v<decltype(make_view(constant)), MatrixView<const double>>);
  CHECK(make_view(constant).data == matrix.data());
  const MatrixView<double> view = make_view(matrix);
  CHECK(make_view(view).data == matrix.data());
}

TEST_CASE("column_major_view shows what Eigen's default order holds", "[view]") {
  Eigen::MatrixXd A = Eigen::MatrixXd::Random(2, 5), B = Eigen::MatrixXd::Random(4, 2);
  Eigen::MatrixXd grad_A = Eigen::MatrixXd::Random(2, 5), grad_B = Eigen::MatrixXd::Random(4, 2);
  const auto view =
      lorapro::column_major_view(A.data(), B.data(), grad_A.data(), grad_B.data(), 4, 5, 2, 0.5);
  const auto same = [](const MatrixView<double>& seen, Eigen::MatrixXd& matrix) {
    REQUIRE((seen.rows == matrix.rows() && seen.cols == matrix.cols()));
    for (Index i = 0; i < seen.rows; ++i)
      for (Index j = 0; j < seen.cols; ++j) CHECK(&seen(i, j) == &matrix(i, j));
  };
  same(view.lora_A, A);
  same(view.lora_B, B);
  same(view.grad_A, grad_A);
  same(view.grad_B, grad_B);
  CHECK(view.scaling == 0.5);
}

TEST_CASE("a transposed view shows the same elements", "[view]") {
  RowMatrix<float> matrix(3, 5);
  const auto view = lorapro::transposed(make_view(matrix));
  REQUIRE((view.rows == 5 && view.cols == 3));
  for (Index i = 0; i < 5; ++i)
    for (Index j = 0; j < 3; ++j) CHECK(&view(i, j) == &matrix(j, i));
}

TEST_CASE("row_major_view lays out the four buffers of a pair", "[view]") {
  constexpr Index kOut = 4, kIn = 5, kRank = 2;
  float A[kRank * kIn], B[kOut * kRank], grad_A[kRank * kIn], grad_B[kOut * kRank];
  const auto view = lorapro::row_major_view(A, B, grad_A, grad_B, kOut, kIn, kRank, 0.5);
  CHECK(&view.lora_A(1, 3) == A + kIn + 3);
  CHECK(&view.grad_A(1, 3) == grad_A + kIn + 3);
  CHECK(&view.lora_B(3, 1) == B + 3 * kRank + 1);
  CHECK(&view.grad_B(3, 1) == grad_B + 3 * kRank + 1);
  CHECK((view.lora_A.rows == kRank && view.lora_A.cols == kIn));
  CHECK((view.grad_B.rows == kOut && view.grad_B.cols == kRank));
  CHECK(view.scaling == 0.5);
  CHECK(view.base_weight == nullptr);
}

TEST_CASE("an address range covers every element and no more", "[view]") {
  std::vector<float> memory(200);
  float* const centre = memory.data() + 100;
  const MatrixView<float> views[] = {
      {centre, 3, 4, 4, 1},   {centre, 3, 4, 1, 3},   {centre, 3, 4, 20, 2},
      {centre, 3, 4, -4, 1},  {centre, 3, 4, 4, -1},  {centre, 3, 4, -20, -3},
      {centre, 1, 1, 50, 60}, {centre, 3, 1, -7, 99}, {centre, 1, 4, 99, 5},
      {centre, 2, 2, 0, 0},
  };
  for (const auto& view : views) {
    CAPTURE(view.rows, view.cols, view.row_stride, view.col_stride);
    const detail::AddressRange range = detail::address_range(view);
    std::uintptr_t low = ~std::uintptr_t{0}, high = 0;
    for (Index i = 0; i < view.rows; ++i)
      for (Index j = 0; j < view.cols; ++j) {
        const auto address = reinterpret_cast<std::uintptr_t>(&view(i, j));
        low = std::min(low, address);
        high = std::max(high, address + sizeof(float));
      }
    CHECK(range.begin == low);
    CHECK(range.end == high);
  }
  const MatrixView<float> empty{centre, 0, 4, 4, 1};
  CHECK_FALSE(detail::address_range(empty).overlaps(detail::address_range(views[0])));
}

TEST_CASE("ranges that touch do not overlap", "[view]") {
  const detail::AddressRange a{100, 200}, b{200, 300}, c{199, 201}, inside{120, 130};
  CHECK_FALSE(a.overlaps(b));
  CHECK_FALSE(b.overlaps(a));
  CHECK(a.overlaps(c));
  CHECK(c.overlaps(b));
  CHECK(a.overlaps(inside));
  CHECK(inside.overlaps(a));
}

TEST_CASE("checks of views say what is wrong", "[view]") {
  float memory[6] = {};
  const MatrixView<float> view{memory, 2, 3, 3, 1}, null{nullptr, 2, 3, 3, 1};
  CHECK_NOTHROW(detail::check_view("lora_A", view, 2, 3));
  CHECK_THROWS_WITH(detail::check_view("lora_A", view, 3, 2),
                    "lora_A: expected (3, 2), got (2, 3)");
  CHECK_THROWS_WITH(detail::check_view("lora_A", null, 2, 3),
                    "lora_A: expected a buffer, got a null pointer");
  CHECK_THROWS_AS(detail::check_view("lora_A", null, 2, 3), lorapro::ShapeError);
  CHECK_NOTHROW(detail::check_disjoint("grad_A", {0, 8}, "lora_A", {8, 16}));
  CHECK_THROWS_WITH(detail::check_disjoint("grad_A", {0, 8}, "lora_A", {7, 16}),
                    "grad_A: expected memory of its own, got memory shared with lora_A");
}

template <typename T>
T& element(const FactorView& factor, Index k, Index i) {
  return static_cast<T*>(factor.data)[k * factor.rank_stride + i * factor.length_stride];
}

TEST_CASE("a factor has the rank first", "[view]") {
  RowMatrix<float> A(2, 5);
  Eigen::MatrixXd B(7, 2);
  const FactorView a = lorapro::factor_of_A(make_view(A)), b = lorapro::factor_of_B(make_view(B));
  CHECK((a.rank == 2 && a.length == 5));
  CHECK((b.rank == 2 && b.length == 7));
  CHECK(a.type == lorapro::StorageType::f32);
  CHECK(b.type == lorapro::StorageType::f64);
  for (Index k = 0; k < 2; ++k) {
    for (Index i = 0; i < 5; ++i) CHECK(&element<float>(a, k, i) == &A(k, i));
    for (Index i = 0; i < 7; ++i) CHECK(&element<double>(b, k, i) == &B(i, k));
  }
  const RowMatrix<float>& constant = A;
  CHECK(lorapro::factor_of_A(make_view(constant)).data == A.data());
}

}  // namespace

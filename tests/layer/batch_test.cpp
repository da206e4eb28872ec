// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/layer/batch.hpp>

#include "support/catch.hpp"

namespace {

using lorapro::Index;
using lorapro::RowMatrix;
namespace detail = lorapro::detail;
using Batch = RowMatrix<float>;

TEST_CASE("a view of a batch is its memory, at the distance of its rows", "[batch]") {
  Batch canvas = Batch::Zero(5, 7);
  auto block = canvas.block(1, 2, 3, 4);
  const auto view = detail::batch_view<float>(block);
  CHECK(view.data == &canvas(1, 2));
  CHECK(view.rows == 3);
  CHECK(view.cols == 4);
  CHECK(view.row_stride == 7);
  CHECK(view.col_stride == 1);
  view(2, 3) = 8;
  CHECK(canvas(3, 5) == 8);

  const Batch& read_only = canvas;
  const auto constant = detail::batch_view<float>(read_only);
  STATIC_REQUIRE(std::is_same_v<decltype(constant.data), const float*>);
  CHECK(constant(3, 5) == 8);
}

TEST_CASE("matrices can be given a size, blocks, maps and fixed sizes cannot", "[batch]") {
  STATIC_REQUIRE(detail::is_resizable_v<Batch>);
  STATIC_REQUIRE(detail::is_resizable_v<Batch&>);
  STATIC_REQUIRE_FALSE(detail::is_resizable_v<Eigen::Block<Batch>>);
  STATIC_REQUIRE_FALSE(detail::is_resizable_v<Eigen::Map<Batch>&>);
  STATIC_REQUIRE_FALSE(
      detail::is_resizable_v<Eigen::Matrix<float, 2, Eigen::Dynamic, Eigen::RowMajor>>);

  Batch grows;
  CHECK_NOTHROW(detail::check_shape_or_resizable("y", grows, 3, 4));
  const auto view = detail::sized_batch_view<float>(grows, 3, 4);
  CHECK(grows.rows() == 3);
  CHECK(grows.cols() == 4);
  CHECK(view.data == grows.data());

  Batch canvas(5, 7);
  auto block = canvas.block(1, 2, 3, 4);
  CHECK_NOTHROW(detail::check_shape_or_resizable("y", block, 3, 4));
  CHECK(detail::sized_batch_view<float>(block, 3, 4).row_stride == 7);
  CHECK_THROWS_AS(detail::check_shape_or_resizable("y", block, 4, 3), lorapro::ShapeError);
  CHECK_THROWS_WITH(detail::check_shape_or_resizable("y", block, 3, 5),
                    "y: expected (3, 5), got (3, 4)");
}

TEST_CASE("a vector's memory is one row, and none where there is no vector", "[batch]") {
  const float values[4] = {};
  const detail::MemoryRows row = detail::memory_row(values, 4);
  CHECK(row.begin == reinterpret_cast<std::uintptr_t>(values));
  CHECK(row.end() - row.begin == sizeof values);
  CHECK(detail::overlap(row, detail::memory_row(values + 3, 1)));
  CHECK_FALSE(detail::overlap(row, detail::memory_row(values + 4, 0)));
  CHECK_FALSE(detail::overlap(row, detail::memory_row(static_cast<const float*>(nullptr), 4)));

  const lorapro::Buffer<double> buffer(3), empty;
  CHECK(detail::memory_row(buffer).end() - detail::memory_row(buffer).begin == 3 * sizeof(double));
  CHECK(detail::memory_row(empty).count == 0);
}

TEST_CASE("rows of a batch get a vector, and columns a factor each", "[batch]") {
  Batch canvas = Batch::Constant(4, 6, 1);
  auto block = canvas.block(1, 2, 2, 3);
  const auto view = detail::batch_view<float>(block);
  const float vector[3] = {1, 2, 3};
  detail::add_to_rows(vector, view);
  detail::add_to_rows<float>(nullptr, view);
  const Batch& read_only = canvas;
  Batch out(2, 3), expected(2, 3);
  detail::scale_columns(vector, detail::batch_view<float>(read_only.block(1, 2, 2, 3)),
                        detail::batch_view<float>(out));
  expected << 2, 6, 12, 2, 6, 12;
  CHECK(out == expected);
  CHECK(canvas.sum() == 18 + 2 * (2 + 3 + 4));
}

}  // namespace

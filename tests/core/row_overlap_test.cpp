// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/core/row_overlap.hpp>

#include <vector>  // std::vector

#include "support/catch.hpp"

namespace {

using lorapro::Index;
using lorapro::MatrixView;

bool overlap_of(const MatrixView<float>& a, const MatrixView<float>& b) {
  const auto one = lorapro::detail::memory_rows(a), other = lorapro::detail::memory_rows(b);
  const bool result = lorapro::detail::overlap(one, other);
  CHECK(lorapro::detail::overlap(other, one) == result);
  return result;
}

TEST_CASE("blocks of one matrix overlap where they share an element", "[row_overlap]") {
  std::vector<float> memory(60);
  float* const m = memory.data();  // (6, 10)
  const auto block = [&](Index row, Index col, Index rows, Index cols) {
    return MatrixView<float>{m + row * 10 + col, rows, cols, 10, 1};
  };
  CHECK(overlap_of(block(0, 0, 6, 10), block(0, 0, 6, 10)));
  CHECK(overlap_of(block(0, 0, 6, 5), block(5, 4, 1, 6)));
  CHECK_FALSE(overlap_of(block(0, 0, 6, 5), block(0, 5, 6, 5)));
  CHECK_FALSE(overlap_of(block(0, 0, 3, 10), block(3, 0, 3, 10)));
  CHECK_FALSE(overlap_of(block(0, 0, 3, 5), block(2, 5, 4, 5)));
  CHECK_FALSE(overlap_of(block(0, 0, 0, 5), block(0, 0, 6, 10)));
  CHECK(overlap_of(block(1, 2, 2, 3), block(2, 4, 4, 1)));
}

TEST_CASE("every pair of small views against counting", "[row_overlap]") {
  std::vector<float> memory(40);
  std::vector<MatrixView<float>> views;
  for (const Index start : {0, 3, 7, 12})
    for (const Index rows : {1, 2, 3})
      for (const Index cols : {1, 3, 4})
        for (const Index stride : {4, 5, 9})
          views.push_back({memory.data() + start, rows, cols, stride, 1});
  for (const auto& a : views)
    for (const auto& b : views) {
      bool expected = false;
      for (Index i = 0; i < a.rows * a.cols; ++i)
        for (Index k = 0; k < b.rows * b.cols; ++k)
          expected = expected || &a(i / a.cols, i % a.cols) == &b(k / b.cols, k % b.cols);
      const auto one = lorapro::detail::memory_rows(a), other = lorapro::detail::memory_rows(b);
      if (lorapro::detail::overlap(one, other) != expected) FAIL("a pair of views");
    }
  SUCCEED();
}

TEST_CASE("memory that is shared is refused by name", "[row_overlap]") {
  std::vector<float> memory(8);
  const auto rows = lorapro::detail::memory_rows(MatrixView<float>{memory.data(), 2, 4, 4, 1});
  CHECK_THROWS_WITH(lorapro::detail::check_apart("y", rows, "x", rows),
                    "y: expected memory of its own, got memory shared with x");
  CHECK_NOTHROW(lorapro::detail::check_apart("y", rows, "x", {}));
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/core/factor_pair.hpp>

#include "support/random.hpp"

namespace {

using lorapro::factor_pair;
using lorapro::lora_factors;
using lorapro::MatrixView;

TEST_CASE("a pair of factors refers to the caller's matrices", "[factor_pair]") {
  lorapro::RowMatrix<float> A(2, 5);
  Eigen::MatrixXd wide_B(9, 3);
  A.setConstant(1);
  wide_B.setConstant(2);
  const auto pair = factor_pair(A, wide_B.topRows(6));
  pair.A(1, 4) = 7;
  CHECK(A(1, 4) == 7);
  CHECK(pair.A.row_stride == 5);
  CHECK(pair.B.rows == 6);
  CHECK(pair.B.col_stride == 9);
  CHECK(&pair.B(3, 2) == &wide_B(3, 2));
  const auto& read_only = A;
  static_assert(std::is_same_v<decltype(factor_pair(read_only, A).A), MatrixView<const float>>);
  static_assert(std::is_same_v<decltype(factor_pair(read_only, A).B), MatrixView<float>>);

  const auto lora = lora_factors(read_only, wide_B, 0.5);
  CHECK(lora.scaling == 0.5);
  CHECK(lora.A.data == A.data());
  CHECK(lora.B.cols == 3);
  // Views as they are.
  CHECK(factor_pair(lora.A, pair.A).B.data == A.data());
}

}  // namespace

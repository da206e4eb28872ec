// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/checked_view.hpp>

#include <vector>  // std::vector

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::DenseView;
using lorapro::detail::dense_of;
using lorapro::detail::pair_of;

TEST_CASE("a pair has both factors with the rank first", "[checked_view]") {
  PairBuffers<float> buffers(6, 5, 2, 0.5, 1);
  const lorapro::Pair pair = pair_of(buffers.view());
  CHECK(pair.shape().out_features == 6);
  CHECK(pair.shape().in_features == 5);
  CHECK(pair.shape().rank == 2);
  CHECK(pair.scaling == 0.5);
  CHECK(pair.A.value.data == buffers.A.data());
  CHECK(pair.A.grad.data == buffers.grad_A.data());
  CHECK(pair.B.value.data == buffers.B.data());
  CHECK(pair.B.grad.data == buffers.grad_B.data());
  CHECK(pair.B.value.rank_stride == 1);  // (out_features, rank) row-major
  CHECK(pair.B.value.length_stride == 2);
  CHECK(pair.A.master.data == nullptr);

  auto view = buffers.view();
  view.scaling = 0;
  CHECK_THROWS_AS(pair_of(view), lorapro::ConfigError);
  view = buffers.view();
  view.grad_B.data = view.lora_B.data + 3;
  CHECK_THROWS_WITH(pair_of(view), contains_text("grad_B") && contains_text("lora_B"));
}

TEST_CASE("a dense parameter is cut into the longest rows that divide it", "[checked_view]") {
  std::vector<float> value(96), grad(96);
  const auto row_of = [&](Index size) {
    const lorapro::Dense dense = dense_of(DenseView<float>{value.data(), grad.data(), size});
    CHECK(dense.size() == size);
    CHECK(dense.factor.value.data == value.data());
    CHECK(dense.factor.grad.data == grad.data());
    CHECK(dense.rows == 0);
    return dense.factor.value.rank;
  };
  CHECK(row_of(96) == 16);
  CHECK(row_of(24) == 8);
  CHECK(row_of(33) == 1);
  const lorapro::Dense matrix = dense_of(DenseView<float>{value.data(), grad.data(), 96, 12});
  CHECK(matrix.rows == 8);
  CHECK(matrix.cols == 12);
  CHECK_THROWS_AS(dense_of(DenseView<float>{value.data(), grad.data(), 96, 7}),
                  lorapro::ShapeError);
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/layer/low_rank_work.hpp>

#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::Index;
using lorapro::make_view;
using lorapro::RowMatrix;

TEST_CASE("rows of W0 + c B A come in order, each once", "[low_rank_work]") {
  LORAPRO_TEST_RANDOM(random, 2614);
  constexpr Index kWorkOut = 150, kWorkIn = 20, kWorkRank = 3;
  RowMatrix<double> W = reference::rounded<double>(random.matrix(kWorkOut, kWorkIn)),
                    A = reference::rounded<double>(random.matrix(kWorkRank, kWorkIn)),
                    B = reference::rounded<double>(random.matrix(kWorkOut, kWorkRank)), none_A = A,
                    none_B = B;
  const lorapro::LoraView<double> lora{make_view(A), make_view(B), make_view(none_A),
                                       make_view(none_B), 1.0};
  const auto weight = lorapro::BaseWeight<double>::own(W);
  RowMatrix<double> seen(kWorkOut, kWorkIn);
  Index next = 0;
  lorapro::detail::LowRankWork<double> work;
  work.for_adapted_rows(-2, lora, weight, [&](Index row, const auto& part) {
    CHECK(row == next);
    for (Index i = 0; i < part.rows; ++i)
      for (Index j = 0; j < kWorkIn; ++j) seen(row + i, j) = part(i, j);
    next += part.rows;
  });
  CHECK(next == kWorkOut);
  const reference::RealMatrix expected =
      reference::real(W) - 2 * reference::product(reference::real(B), reference::real(A));
  CHECK(support::distance(seen, expected) <=
        support::tolerance<double>(2, kWorkRank, 1, static_cast<double>(W.norm()) + 100));
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/layer/dropout.hpp>

#include <utility>  // std::as_const

#include "support/random.hpp"

namespace {

using lorapro::Dropout;
using lorapro::Index;
using lorapro::make_view;
using DroppedMatrix = lorapro::RowMatrix<double>;

/// drop(x) of the rows from first_row on.
DroppedMatrix dropped_rows(const Dropout& dropout, const DroppedMatrix& x, Index first_row = 0) {
  DroppedMatrix out(x.rows(), x.cols());
  dropout.apply(make_view(x), first_row, make_view(out));
  return out;
}

TEST_CASE("a mask has zeros and one over what is kept", "[dropout]") {
  LORAPRO_TEST_RANDOM(random, 2601);
  const DroppedMatrix x = reference::rounded<double>(random.matrix(300, 40));
  for (const double p : {0.1, 0.5, 0.9}) {
    CAPTURE(p);
    const DroppedMatrix out = dropped_rows({p, 1, 0}, x);
    Index kept = 0;
    for (Index k = 0; k < x.size(); ++k) {
      if (out.data()[k] == 0) continue;
      ++kept;
      CHECK(out.data()[k] == Approx(x.data()[k] / (1 - p)).epsilon(1e-14));
    }
    const auto count = static_cast<double>(x.size());
    CHECK(std::abs(static_cast<double>(kept) / count - (1 - p)) <
          5 * std::sqrt(p * (1 - p) / count));
  }
  CHECK_FALSE(Dropout{}.drops());
  CHECK(dropped_rows({}, x) == x);
}

TEST_CASE("a mask is a function of seed, number and place", "[dropout]") {
  const DroppedMatrix x = DroppedMatrix::Ones(70, 9);
  const DroppedMatrix whole = dropped_rows({0.5, 3, 4}, x);
  CHECK(dropped_rows({0.5, 3, 4}, x) == whole);
  CHECK(dropped_rows({0.5, 3, 5}, x) != whole);
  CHECK(dropped_rows({0.5, 2, 4}, x) != whole);
  // Blocks of rows see the mask of the whole.
  CHECK(dropped_rows({0.5, 3, 4}, x.topRows(6), 64) == whole.bottomRows(6));
  DroppedMatrix in_place = x;
  Dropout{0.5, 3, 4}.apply<double>(make_view(std::as_const(in_place)), 0, make_view(in_place));
  CHECK(in_place == whole);
  // Every precision drops the same elements.
  const lorapro::RowMatrix<float> ones = lorapro::RowMatrix<float>::Ones(70, 9);
  lorapro::RowMatrix<float> single(70, 9);
  Dropout{0.5, 3, 4}.apply(make_view(ones), 0, make_view(single));
  CHECK(single.cast<double>() == whole);
}

}  // namespace

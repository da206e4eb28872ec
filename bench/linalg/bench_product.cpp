// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/linalg/panel.hpp>
#include <lorapro/linalg/product.hpp>

#include <memory>  // std::make_shared

#include "support/benchmark_case.hpp"
#include "support/pair_data.hpp"

namespace {

using bench::Index;

/// The sizes of one call inside a kernel: everything lies in cache.
struct Sizes {
  Index rows;
  Index inner;
  Index cols;
  std::string name() const {
    return std::to_string(rows) + "x" + std::to_string(inner) + "x" + std::to_string(cols);
  }
  double flops() const { return 2.0 * static_cast<double>(rows * inner * cols); }
};

template <typename Scalar>
struct Fixture {
  using Matrix = lorapro::RowMatrix<Scalar>;
  Fixture(Index left_rows, Index left_cols, Index right_rows, Index right_cols, Index out_rows,
          Index out_cols)
      : left(bench::random_matrix<Scalar>(left_rows, left_cols, 1, 1)),
        right(bench::random_matrix<Scalar>(right_rows, right_cols, 1, 2)),
        out(Matrix::Zero(out_rows, out_cols)) {}
  Matrix left, right, out;
};

/// (rows, inner) times (inner, cols).
template <typename Scalar>
std::function<void()> product(const Sizes& s, bool naive) {
  auto f = std::make_shared<Fixture<Scalar>>(s.rows, s.inner, s.inner, s.cols, s.rows, s.cols);
  if (naive) return [f] { f->out.noalias() = f->left * f->right; };
  return [f, s] {
    lorapro::panel_product(f->left.data(), s.inner, Index{1}, s.rows, s.inner, f->right.data(),
                           s.cols, s.cols, f->out.data(), s.cols, false);
  };
}

/// (rows, inner) times the transpose of (cols, inner); accumulates, so it starts from zero.
template <typename Scalar>
std::function<void()> dots(const Sizes& s, bool naive) {
  auto f = std::make_shared<Fixture<Scalar>>(s.rows, s.inner, s.cols, s.inner, s.rows, s.cols);
  if (naive)
    return [f] {
      f->out.setZero();
      f->out.noalias() += f->left * f->right.transpose();
    };
  return [f, s] {
    f->out.setZero();
    lorapro::panel_dots(f->left.data(), s.inner, s.rows, f->right.data(), s.inner, s.cols, s.inner,
                        f->out.data(), s.cols, Index{1});
  };
}

template <typename Scalar>
void add_products(const std::string& type, const Sizes& s, bool transposed) {
  bench::Work work;
  work.flops = s.flops();
  (sizeof(Scalar) == 4 ? work.least_f32 : work.least_f64) = s.flops();
  const std::string rest = type + s.name();
  const std::string kind = transposed ? "dots" : "panel";
  const auto make = transposed ? dots<Scalar> : product<Scalar>;
  bench::add("product/" + kind + rest, work, [=] { return make(s, false); });
  bench::add("product/naive_" + kind + rest, work, [=] { return make(s, true); });
}

const bool registered = bench::add_all([] {
  constexpr Index kWidth = lorapro::kPanelWidth;
  for (const Index rank : {8, 16, 64}) {
    add_products<float>("/f32/", {rank, rank, kWidth}, false);   // dA of a panel
    add_products<float>("/f32/", {kWidth, rank, rank}, false);   // dB of a panel
    add_products<double>("/f64/", {rank, kWidth, rank}, true);   // A A^T of a panel
    add_products<double>("/f64/", {rank, kWidth, rank}, false);  // B^T B of a panel
  }
});

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// Armadillo's memory, which is column-major, trained in place. Its matrices alone are used here, so
// neither its library nor BLAS is linked.
#define ARMA_DONT_USE_WRAPPER
#define ARMA_DONT_USE_BLAS
#define ARMA_DONT_USE_LAPACK
#include <armadillo>

#include <lorapro/optim/lora_pro_adapter_rule.hpp>
#include <lorapro/optim/lora_pro_full_rule.hpp>
#include <lorapro/optim/optimizer.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;

/// Element by element: an assignment would move Armadillo's matrix to other memory.
void copy(const RowMatrix<double>& from, arma::mat& to) {
  for (Index i = 0; i < from.rows(); ++i)
    for (Index j = 0; j < from.cols(); ++j)
      to(static_cast<arma::uword>(i), static_cast<arma::uword>(j)) = from(i, j);
}

arma::mat copy_of(const RowMatrix<double>& matrix) {
  arma::mat out(static_cast<arma::uword>(matrix.rows()), static_cast<arma::uword>(matrix.cols()));
  copy(matrix, out);
  return out;
}

template <typename Moments>
void train_both_ways() {
  PairBuffers<double> rows(13, 21, 4, 2.0, 5);
  arma::mat A = copy_of(rows.A), B = copy_of(rows.B);
  arma::mat grad_A(4, 21), grad_B(13, 4);
  lorapro::LoraProOptimizer<double, Moments> by_rows, by_columns;
  by_rows.attach(rows.view());
  by_columns.attach(lorapro::column_major_view(A.memptr(), B.memptr(), grad_A.memptr(),
                                               grad_B.memptr(), 13, 21, 4, 2.0));
  for (int step = 0; step < 5; ++step) {
    rows.backpropagate(random_matrix(13, 21, static_cast<std::uint64_t>(step)));
    copy(rows.grad_A, grad_A);
    copy(rows.grad_B, grad_B);
    REQUIRE(by_rows.step().updated == 1);
    REQUIRE(by_columns.step().updated == 1);
  }
  // Sums are taken in another order, so that the last bits may differ.
  CHECK(arma::abs(A - copy_of(rows.A)).max() < 1e-12);
  CHECK(arma::abs(B - copy_of(rows.B)).max() < 1e-12);
}

TEST_CASE("Armadillo's matrices are trained in place", "[view]") {
  train_both_ways<lorapro::AdapterMoments>();
  train_both_ways<lorapro::FullMoments<double>>();
}

}  // namespace

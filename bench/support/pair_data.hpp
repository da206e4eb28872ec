// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/random.hpp>
#include <lorapro/core/view.hpp>

#include <cmath>  // std::sqrt

#include "support/shapes.hpp"

namespace bench {

/// Uniform in [-bound, bound).
template <typename Derived>
void fill_random(Eigen::DenseBase<Derived>& matrix, double bound, std::uint64_t key) {
  using Scalar = typename Derived::Scalar;
  for (Index i = 0; i < matrix.size(); ++i)
    matrix.derived().data()[i] = static_cast<Scalar>(
        bound * (2 * lorapro::random_uniform(key, static_cast<std::uint64_t>(i)) - 1));
}

template <typename Scalar>
lorapro::RowMatrix<Scalar> random_matrix(Index rows, Index cols, double bound, std::uint64_t key) {
  lorapro::RowMatrix<Scalar> matrix(rows, cols);
  fill_random(matrix, bound, key);
  return matrix;
}

/// A pair in the middle of training: neither factor is zero, singular values of A, B of order one.
/// The gradients belong to one full gradient G = Y Z of rank r, as those of backpropagation do.
struct PairData {
  using Matrix = lorapro::RowMatrix<float>;

  explicit PairData(const Shape& shape_)
      : shape(shape_),
        lora_A(random_matrix<float>(shape.rank, shape.in, bound(shape.in), 1)),
        lora_B(random_matrix<float>(shape.out, shape.rank, bound(shape.out), 2)) {
    const Matrix Y = random_matrix<float>(shape.out, shape.rank, 0.1, 3);
    const Matrix Z = random_matrix<float>(shape.rank, shape.in, 0.1, 4);
    const auto s = static_cast<float>(scaling);
    grad_A = s * (lora_B.transpose() * Y) * Z;
    grad_B = s * Y * (Z * lora_A.transpose());
  }

  lorapro::LoraView<float> view() {
    return lorapro::row_major_view(lora_A.data(), lora_B.data(), grad_A.data(), grad_B.data(),
                                   shape.out, shape.in, shape.rank, scaling);
  }

  Shape shape;
  Matrix lora_A, lora_B, grad_A, grad_B;
  double scaling = 2;

 private:
  static double bound(Index length) { return 1 / std::sqrt(static_cast<double>(length)); }
};

}  // namespace bench

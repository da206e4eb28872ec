// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/linalg/tiled_product.hpp>

#include "threads.hpp"

namespace examples::nn {

/// Products of a batch, one example per row, with a weight (out, in) that is not frozen, by the
/// kernels of lorapro::LoraLayer.
template <typename Scalar>
struct Products {
  using Matrix = lorapro::RowMatrix<Scalar>;

  /// y = x W^T
  static void multiply_transposed(const Matrix& x, const Matrix& weight, Matrix& y) {
    y.resize(x.rows(), weight.rows());
    Product::assign(view(x), Tiles(lorapro::transposed(view(weight))), lorapro::make_view(y),
                    thread_setting());
  }

  /// y = x W
  static void multiply(const Matrix& x, const Matrix& weight, Matrix& y) {
    y.resize(x.rows(), weight.cols());
    Product::assign(view(x), Tiles(view(weight)), lorapro::make_view(y), thread_setting());
  }

  /// grad += grad_y^T x, the gradient of the weight of y = x W^T.
  static void add_weight_gradient(const Matrix& grad_y, const Matrix& x, Matrix& grad) {
    Product::add(Scalar(1), lorapro::transposed(view(grad_y)), Tiles(view(x)),
                 lorapro::make_view(grad), thread_setting());
  }

 private:
  using Product = lorapro::TiledProduct<Scalar>;
  using Tiles = lorapro::ViewTiles<Scalar>;

  static lorapro::MatrixView<const Scalar> view(const Matrix& matrix) {
    return lorapro::make_view(matrix);
  }
};

}  // namespace examples::nn

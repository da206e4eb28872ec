// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/layer/base_weight.hpp>
#include <lorapro/layer/dropout.hpp>
#include <lorapro/layer/weight_tiles.hpp>

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// What LowRankProduct does, and its workspace: the same verbs, which are described there. Apart from
/// it, since they may be compiled elsewhere (compiled_products.hpp).
template <typename Scalar>
class LowRankWork {
 public:
  using View = MatrixView<Scalar>;
  using ConstView = MatrixView<const Scalar>;
  using Lora = LoraView<Scalar>;

  void set_threads(int threads) { threads_ = threads; }
  int threads() const { return thread_count(threads_); }

  template <typename Weight>
  void forward_base(const ConstView& x, const Weight& weight, const View& y) {
    Product::assign(x, TransposedWeightTiles<Scalar, Weight>(weight), y, threads());
  }

  template <typename Weight>
  void backward_base(const ConstView& grad_y, const Weight& weight, const View& grad_x) {
    Product::assign(grad_y, WeightTiles<Scalar, Weight>(weight), grad_x, threads());
  }

  void forward_adapter(const ConstView& x, const Lora& lora, const Dropout& dropout,
                       const View& y) {
    const View hidden = down_project(x, lora, dropout);
    Product::add(static_cast<Scalar>(lora.scaling), read(hidden),
                 Tiles(transposed(read(lora.lora_B))), y, threads());
  }

  void backward_adapter(const ConstView& x, const ConstView& grad_y, const Lora& lora,
                        const Dropout& dropout) {
    const View hidden = down_project(x, lora, dropout), back = hidden_gradient(x.rows, lora);
    const auto s = static_cast<Scalar>(lora.scaling);
    Product::add(s, transposed(grad_y), Tiles(read(hidden)), lora.grad_B, threads());
    Product::assign(grad_y, Tiles(read(lora.lora_B)), back, threads());
    for (Index k = 0; k < back.rows * back.cols; ++k) back.data[k] *= s;
    const auto add = [&](Index row, Index rows, const ConstView& input) {
      Product::add(Scalar(1), transposed(rows_of(read(back), row, rows)), Tiles(input), lora.grad_A,
                   threads());
    };
    if (!dropout.drops()) return add(0, x.rows, x);
    for_row_blocks(x.rows, [&](Index row, Index rows) {
      add(row, rows, read(dropped(x, row, rows, dropout)));
    });
  }

  void backward_adapter(const ConstView& x, const ConstView& grad_y, const Lora& lora,
                        const Dropout& dropout, const View& grad_x) {
    backward_adapter(x, grad_y, lora, dropout);
    const ConstView back = read(hidden_gradient(x.rows, lora));
    const Tiles tiles(read(lora.lora_A));
    if (!dropout.drops()) {
      Product::add(Scalar(1), back, tiles, grad_x, threads());
      return;
    }
    for_row_blocks(x.rows, [&](Index row, Index rows) {
      const View part = block(rows, x.cols);
      Product::assign(rows_of(back, row, rows), tiles, part, threads());
      // Masked before it is added: compilers would differ in whether that is rounded once or twice.
      dropout.apply(read(part), row, part);
      for (Index i = 0; i < rows; ++i)
        for (Index j = 0; j < x.cols; ++j) grad_x(row + i, j) += part(i, j);
    });
  }

  template <typename Weight, typename Body>
  void for_adapted_rows(double c, const Lora& lora, const Weight& weight, const Body& body) {
    const Index in = weight.in_features();
    for_row_blocks(weight.out_features(), [&](Index row, Index rows) {
      const View part = block(rows, in);
      weight.decode(row, rows, 0, in, part.data, in);
      Product::add(static_cast<Scalar>(c), rows_of(read(lora.lora_B), row, rows),
                   Tiles(read(lora.lora_A)), part, threads());
      body(row, part);
    });
  }

  template <typename T>
  void add_to_weight(double c, const Lora& lora, const BaseWeight<T>& weight,
                     const double* row_factors) {
    for_adapted_rows(c, lora, weight, [&](Index row, const View& part) {
      for (Index i = 0; i < part.rows; ++i) {
        const auto f = static_cast<Scalar>(row_factors == nullptr ? 1 : row_factors[row + i]);
        T* const target = weight.writable_data() + (row + i) * part.cols;
        for (Index j = 0; j < part.cols; ++j) target[j] = static_cast<T>(f * part(i, j));
      }
    });
  }

 private:
  using Product = TiledProduct<Scalar>;
  using Tiles = ViewTiles<Scalar>;
  static constexpr Index kBlockRows = 64;

  static ConstView read(const View& view) {
    return {view.data, view.rows, view.cols, view.row_stride, view.col_stride};
  }
  template <typename T>
  static MatrixView<T> rows_of(const MatrixView<T>& view, Index row, Index rows) {
    return {view.data + row * view.row_stride, rows, view.cols, view.row_stride, view.col_stride};
  }
  template <typename Body>
  static void for_row_blocks(Index rows, const Body& body) {
    for (Index row = 0; row < rows; row += kBlockRows)
      body(row, (std::min)(kBlockRows, rows - row));
  }

  View block(Index rows, Index cols) {
    block_.reserve(kBlockRows * cols);
    return {block_.data(), rows, cols, cols, 1};
  }
  View dropped(const ConstView& x, Index row, Index rows, const Dropout& dropout) {
    const View part = block(rows, x.cols);
    dropout.apply(rows_of(x, row, rows), row, part);
    return part;
  }

  /// drop(x) A^T, kept until the next batch.
  View down_project(const ConstView& x, const Lora& lora, const Dropout& dropout) {
    const Index rank = lora.lora_A.rows;
    hidden_.reserve(2 * x.rows * rank);
    const View hidden{hidden_.data(), x.rows, rank, rank, 1};
    const Tiles tiles(transposed(read(lora.lora_A)));
    if (!dropout.drops()) {
      Product::assign(x, tiles, hidden, threads());
    } else {
      for_row_blocks(x.rows, [&](Index row, Index rows) {
        Product::assign(read(dropped(x, row, rows, dropout)), tiles, rows_of(hidden, row, rows),
                        threads());
      });
    }
    return hidden;
  }
  /// Room for s grad_y B behind what down_project left.
  View hidden_gradient(Index rows, const Lora& lora) {
    const Index rank = lora.lora_A.rows;
    return {hidden_.data() + rows * rank, rows, rank, rank, 1};
  }

  Buffer<Scalar> hidden_;
  Buffer<Scalar> block_;
  int threads_ = 0;
};

}  // namespace detail

LORAPRO_NAMESPACE_END

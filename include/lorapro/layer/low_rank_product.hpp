// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/layer/compiled_products.hpp>
#include <lorapro/layer/low_rank_work.hpp>

LORAPRO_NAMESPACE_BEGIN

/// The products of a layer whose frozen weight has an adapter, and their workspace:
///
///     y = x W0^T + s (drop(x) A^T) B^T
///
/// W0 and the adapter have verbs of their own, so that a layer can do between them what it has to:
/// add a bias, scale columns (DoRA), or leave one of them out. Shapes and memory are the caller's
/// to check, as LoraLayer does:
///
///     x (batch, in)   y (batch, out)   W0 (out, in)   A (rank, in)   B (out, rank)
///
/// and gradients as what they belong to; batches and the gradients of A and B have contiguous rows,
/// any distance apart, A and B contiguous rows or columns. What is written overlaps nothing that is
/// read.
///
/// Results have the same bits for any number of threads. W0 is decoded tile by tile, in the workspace
/// that products share (TiledProduct); 2 batch rank scalars are kept, with dropout 64 rows of x. No
/// heap once a batch of the size has passed. Not thread-safe.
///
/// \tparam Scalar  float or double.
template <typename Scalar>
class LowRankProduct {
  static_assert(is_compute_scalar_v<Scalar>, "LowRankProduct: Scalar must be float or double");

 public:
  using View = MatrixView<Scalar>;
  using ConstView = MatrixView<const Scalar>;
  using Lora = LoraView<Scalar>;

  /// \param threads  among which products are split; 0, the default: as many as OpenMP has. One
  ///                 without OpenMP. \throws ConfigError (below 0).
  void set_threads(int threads) {
    checks::config(threads >= 0, "threads", "a number >= 0", threads);
    work_.set_threads(threads);
  }
  /// As many as the next product gets.
  int threads() const { return work_.threads(); }

  /// y = x W0^T
  /// \param weight  BaseWeight, Int8Weight, Nf4Weight, or any class of weights (weight_tiles.hpp).
  /// \cost 2 batch out in flops, and W0 decoded once.
  template <typename Weight>
  void forward_base(const ConstView& x, const Weight& weight, const View& y) {
    if constexpr (detail::is_compiled_weight<Scalar, Weight>) {
      detail::compiled_base_products<Scalar, Weight>().forward(work_, x, weight, y);
    } else {
      work_.forward_base(x, weight, y);
    }
  }

  /// grad_x = grad_y W0
  /// \cost as forward_base.
  template <typename Weight>
  void backward_base(const ConstView& grad_y, const Weight& weight, const View& grad_x) {
    if constexpr (detail::is_compiled_weight<Scalar, Weight>) {
      detail::compiled_base_products<Scalar, Weight>().backward(work_, grad_y, weight, grad_x);
    } else {
      work_.backward_base(grad_y, weight, grad_x);
    }
  }

  /// y += s (drop(x) A^T) B^T
  /// \cost 2 batch (out + in) rank flops; drop(x) is made 64 rows at a time.
  void forward_adapter(const ConstView& x, const Lora& lora, const Dropout& dropout,
                       const View& y) {
    if constexpr (detail::kCompiledProducts) {
      detail::compiled_products<Scalar>().adapter.forward(work_, x, lora, dropout, y);
    } else {
      work_.forward_adapter(x, lora, dropout, y);
    }
  }

  /// grad_A += (s grad_y B)^T drop(x)
  /// grad_B += s grad_y^T (drop(x) A^T)
  ///
  /// \param x, dropout  as forward_adapter got them.
  /// \cost 2 batch (2 out + 2 in) rank flops.
  void backward_adapter(const ConstView& x, const ConstView& grad_y, const Lora& lora,
                        const Dropout& dropout) {
    if constexpr (detail::kCompiledProducts) {
      detail::compiled_products<Scalar>().adapter.backward(work_, x, grad_y, lora, dropout);
    } else {
      work_.backward_adapter(x, grad_y, lora, dropout);
    }
  }

  /// The same, and grad_x += drop(s grad_y B A), with the mask of x.
  /// \cost 2 batch (2 out + 3 in) rank flops.
  void backward_adapter(const ConstView& x, const ConstView& grad_y, const Lora& lora,
                        const Dropout& dropout, const View& grad_x) {
    if constexpr (detail::kCompiledProducts) {
      detail::compiled_products<Scalar>().adapter.backward_to_input(work_, x, grad_y, lora, dropout,
                                                                    grad_x);
    } else {
      work_.backward_adapter(x, grad_y, lora, dropout, grad_x);
    }
  }

  /// Calls body(row, block) with W0 + c B A, 64 rows at a time: block (rows, in) has those from
  /// `row` on, contiguous, and may be written.
  /// \cost 2 out in rank flops, and W0 decoded once.
  template <typename Weight, typename Body>
  void for_adapted_rows(double c, const Lora& lora, const Weight& weight, const Body& body) {
    work_.for_adapted_rows(c, lora, weight, body);
  }

  /// W0 = diag(f) (W0 + c B A), rounded to T once.
  /// \param row_factors  f (out), or null for 1.
  /// \pre weight.writable_data() is not null.
  /// \cost as for_adapted_rows.
  template <typename T>
  void add_to_weight(double c, const Lora& lora, const BaseWeight<T>& weight,
                     const double* row_factors = nullptr) {
    work_.add_to_weight(c, lora, weight, row_factors);
  }

 private:
  detail::LowRankWork<Scalar> work_;
};

LORAPRO_NAMESPACE_END

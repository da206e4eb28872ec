// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/finite.hpp>
#include <lorapro/core/view.hpp>
#include <lorapro/optim/rule.hpp>

#include <string>  // std::to_string

LORAPRO_NAMESPACE_BEGIN

/// \file
/// What callers describe, checked, as rules see it.

namespace detail {

template <typename T>
AddressRange range_of(const T* data, Index size) {
  return address_range(MatrixView<const T>{data, 1, size, size, 1});
}

/// The caller's four buffers as rules see them.
/// \throws ShapeError (shapes that do not fit, null memory, overlap), ConfigError (scaling).
template <typename T, typename Base>
Pair pair_of(const LoraView<T, Base>& view) {
  const Index rank = view.lora_A.rows, in = view.lora_A.cols, out = view.lora_B.rows;
  if (rank < 1 || in < 1 || out < 1)
    throw ShapeError("lora_A, lora_B: expected sizes >= 1, got " + checks::shape_text(rank, in) +
                     " and " + checks::shape_text(out, view.lora_B.cols));
  check_view("lora_A", view.lora_A, rank, in);
  check_view("lora_B", view.lora_B, out, rank);
  check_view("grad_A", view.grad_A, rank, in);
  check_view("grad_B", view.grad_B, out, rank);
  const AddressRange ranges[] = {address_range(view.lora_A), address_range(view.lora_B),
                                 address_range(view.grad_A), address_range(view.grad_B)};
  const char* const names[] = {"lora_A", "lora_B", "grad_A", "grad_B"};
  for (int i = 0; i < 4; ++i)
    for (int k = 0; k < i; ++k) check_disjoint(names[i], ranges[i], names[k], ranges[k]);
  checks::config(is_finite(view.scaling) && view.scaling != 0, "scaling",
                 "a finite number other than 0", view.scaling);
  Pair pair;
  pair.A.value = factor_of_A(view.lora_A);
  pair.A.grad = factor_of_A(view.grad_A);
  pair.B.value = factor_of_B(view.lora_B);
  pair.B.grad = factor_of_B(view.grad_B);
  pair.scaling = view.scaling;
  return pair;
}

/// The caller's parameter as rules see it.
/// \throws ShapeError (null, size below 1, columns that do not divide it, overlap).
template <typename T>
Dense dense_of(const DenseView<T>& view) {
  if (view.size < 1)
    throw ShapeError("size: expected a number >= 1, got " + std::to_string(view.size));
  if (view.cols < 0 || (view.cols > 0 && view.size % view.cols != 0))
    throw ShapeError("cols: expected 0 or a divisor of size " + std::to_string(view.size) +
                     ", got " + std::to_string(view.cols));
  const MatrixView<T> value{view.value, 1, view.size, view.size, 1};
  const MatrixView<T> grad{view.grad, 1, view.size, view.size, 1};
  check_view("value", value, 1, view.size);
  check_view("grad", grad, 1, view.size);
  check_disjoint("grad", address_range(grad), "value", address_range(value));
  Index row = Dense::kRow;
  while (view.size % row != 0) row /= 2;
  const auto in_rows = [&](T* data) {
    return FactorView{data, storage_type<T>(), row, view.size / row, 1, row};
  };
  Dense dense;
  dense.factor.value = in_rows(view.value);
  dense.factor.grad = in_rows(view.grad);
  dense.rows = view.cols > 0 ? view.size / view.cols : 0;
  dense.cols = view.cols;
  return dense;
}

}  // namespace detail

LORAPRO_NAMESPACE_END

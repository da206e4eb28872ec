// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/pair_solver.hpp>
#include <lorapro/core/factor_pair.hpp>

LORAPRO_NAMESPACE_BEGIN

namespace detail {

template <typename LoraA, typename LoraB, typename StepA, typename StepB>
void check_lora_and_step(const LoraFactors<LoraA, LoraB>& lora,
                         const FactorPair<StepA, StepB>& step) {
  const Index rank = lora.A.rows;
  check_view("lora_A", lora.A, rank, lora.A.cols);
  check_view("lora_B", lora.B, lora.B.rows, rank);
  check_view("step_A", step.A, rank, lora.A.cols);
  check_view("step_B", step.B, lora.B.rows, rank);
}

}  // namespace detail

/// ||E||_F of the equivalent gradient E = s (B dA + dB A), without forming it:
/// ||E||_F^2 = s^2 (<B^T B, dA dA^T> + <A A^T, dB^T dB> + 2 <B^T dB, dA A^T>).
///
/// \param lora  A (rank, in_features), B (out_features, rank) and s.
/// \param step  any dA and dB, adjusted or not.
/// \return not finite if an element is not. Relative error about eps (||B dA||^2 + ||dB A||^2) /
///         ||E||^2 in the wide scalar.
/// \cost 6 r^2 (m + n) flops, reads the inputs once; allocates 4 r x 256 + 6 r x r wide scalars.
/// \throws ShapeError.
template <typename LoraA, typename LoraB, typename StepA, typename StepB>
[[nodiscard]] double equivalent_gradient_norm(const LoraFactors<LoraA, LoraB>& lora,
                                              const FactorPair<StepA, StepB>& step) {
  detail::check_lora_and_step(lora, step);
  const Index r = lora.A.rows;
  Arena arena(6 * square_size(r));
  const auto products = [&] {
    const Square gram = arena.square(r), cross = arena.square(r);
    return FactorProducts{gram, cross, arena.square(r)};
  };
  const FactorProducts of_A = products(), of_B = products();
  Buffer<Wide> scratch(factor_products_scratch(r));
  const FactorMeasure found_A =
      factor_products(factor_of_A(lora.A), factor_of_A(step.A), of_A, Workspace(scratch));
  const FactorMeasure found_B =
      factor_products(factor_of_B(lora.B), factor_of_B(step.B), of_B, Workspace(scratch));
  if (!found_A.finite || !found_B.finite) return detail::not_a_number();
  Wide sum = 0;
  for (Index i = 0; i < r; ++i)
    for (Index j = 0; j < r; ++j)
      sum += of_B.gram(i, j) * of_A.grad_gram(i, j) + of_A.gram(i, j) * of_B.grad_gram(i, j) +
             2 * of_A.cross(i, j) * of_B.cross(j, i);
  return std::abs(lora.scaling) * std::sqrt(sum < 0 ? 0 : sum);
}

/// Writes rows [row, row + block.rows) and columns [col, col + block.cols) of the equivalent
/// gradient E = s (B dA + dB A): for inspection and tests; an optimizer never needs it.
///
/// \param lora, step  as of equivalent_gradient_norm.
/// \param[out] block  float or double, any order and stride; must not overlap the inputs.
/// \cost 4 r flops per element of the block; no heap.
/// \throws ShapeError (shapes, or the block reaches beyond (out_features, in_features)).
template <typename LoraA, typename LoraB, typename StepA, typename StepB, typename Block>
void equivalent_gradient_block(const LoraFactors<LoraA, LoraB>& lora,
                               const FactorPair<StepA, StepB>& step, Index row, Index col,
                               Block&& block) {
  detail::check_lora_and_step(lora, step);
  const auto& A = lora.A;
  const auto& B = lora.B;
  const auto& [dA, dB] = step;
  const auto out = make_view(block);
  if (row < 0 || col < 0 || row + out.rows > B.rows || col + out.cols > A.cols)
    throw ShapeError("block: expected to lie within " + checks::shape_text(B.rows, A.cols) +
                     ", got " + checks::shape_text(out.rows, out.cols) + " at " +
                     checks::shape_text(row, col));
  for (Index i = 0; i < out.rows; ++i)
    for (Index j = 0; j < out.cols; ++j) {
      Wide sum = 0;
      for (Index k = 0; k < A.rows; ++k)
        sum += static_cast<Wide>(B(row + i, k)) * static_cast<Wide>(dA(k, col + j)) +
               static_cast<Wide>(dB(row + i, k)) * static_cast<Wide>(A(k, col + j));
      out(i, j) = static_cast<std::remove_reference_t<decltype(out(0, 0))>>(lora.scaling * sum);
    }
}

LORAPRO_NAMESPACE_END

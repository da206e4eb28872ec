// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/view.hpp>

LORAPRO_NAMESPACE_BEGIN

/// Two matrices of the shapes of lora_A, (rank, in_features), and lora_B, (out_features, rank):
/// factors, gradients or steps, in memory of the caller's.
template <typename OfA, typename OfB = OfA>
struct FactorPair {
  MatrixView<OfA> A;
  MatrixView<OfB> B;
};

/// Of Eigen matrices, maps, blocks or MatrixView, each of any storage order, stride and type.
template <typename OfA, typename OfB>
auto factor_pair(OfA&& A, OfB&& B) {
  const auto a = make_view(A);
  const auto b = make_view(B);
  return FactorPair<std::remove_reference_t<decltype(*a.data)>,
                    std::remove_reference_t<decltype(*b.data)>>{a, b};
}

/// A and B with the scaling s of W = W0 + s B A.
template <typename OfA, typename OfB = OfA>
struct LoraFactors : FactorPair<OfA, OfB> {
  double scaling;  ///< alpha / rank, or alpha / sqrt(rank)
};

template <typename OfA, typename OfB>
auto lora_factors(OfA&& A, OfB&& B, double scaling) {
  const auto pair = factor_pair(A, B);
  return LoraFactors<std::remove_reference_t<decltype(*pair.A.data)>,
                     std::remove_reference_t<decltype(*pair.B.data)>>{pair, scaling};
}

LORAPRO_NAMESPACE_END

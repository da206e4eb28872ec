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

template <typename OfA, typename OfB>
FactorPair(MatrixView<OfA>, MatrixView<OfB>) -> FactorPair<OfA, OfB>;

/// Of Eigen matrices, maps, blocks or MatrixView, each of any storage order, stride and type.
template <typename OfA, typename OfB>
auto factor_pair(OfA&& A, OfB&& B) {
  return FactorPair{make_view(A), make_view(B)};
}

/// A and B with the scaling s of W = W0 + s B A.
template <typename OfA, typename OfB = OfA>
struct LoraFactors : FactorPair<OfA, OfB> {
  double scaling;  ///< alpha / rank, or alpha / sqrt(rank)
};

template <typename OfA, typename OfB>
LoraFactors(FactorPair<OfA, OfB>, double) -> LoraFactors<OfA, OfB>;

template <typename OfA, typename OfB>
auto lora_factors(OfA&& A, OfB&& B, double scaling) {
  return LoraFactors{factor_pair(A, B), scaling};
}

LORAPRO_NAMESPACE_END

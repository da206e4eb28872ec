// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/view.hpp>

#include <cstring>  // std::memcmp

#include "support/dense_rules.hpp"

namespace rule_battery {

/// The caller's four buffers of one pair.
template <typename T>
struct PairBuffers {
  RowMatrix<T> A, B, grad_A, grad_B;
  double scaling;

  PairBuffers(Index out_features, Index in_features, Index rank, double s, std::uint64_t seed,
              double deviation_B = 1);

  lorapro::LoraView<T> view();
  Factors factors() const;
  Factors gradients() const;
  RealMatrix delta_W() const;

  /// What backpropagation returns for dL/dW = G.
  void backpropagate(const RealMatrix& G, double factor = 1);
};

template <typename T>
PairBuffers<T>::PairBuffers(Index out_features, Index in_features, Index rank, double s,
                            std::uint64_t seed, double deviation_B)
    : A(rounded<T>(random_matrix(rank, in_features, 2 * seed + 1))),
      B(rounded<T>(random_matrix(out_features, rank, 2 * seed + 2, deviation_B))),
      grad_A(RowMatrix<T>::Zero(rank, in_features)),
      grad_B(RowMatrix<T>::Zero(out_features, rank)),
      scaling(s) {}

template <typename T>
lorapro::LoraView<T> PairBuffers<T>::view() {
  return lorapro::row_major_view<T>(A.data(), B.data(), grad_A.data(), grad_B.data(), B.rows(),
                                    A.cols(), A.rows(), scaling);
}

template <typename T>
Factors PairBuffers<T>::factors() const {
  return {real<T>(A), real<T>(B)};
}

template <typename T>
Factors PairBuffers<T>::gradients() const {
  return {real<T>(grad_A), real<T>(grad_B)};
}

template <typename T>
RealMatrix PairBuffers<T>::delta_W() const {
  return Real(scaling) * product(real<T>(B), real<T>(A));
}

template <typename T>
void PairBuffers<T>::backpropagate(const RealMatrix& G, double factor) {
  round_into(Real(factor * scaling) * product(transposed(real<T>(B)), G), grad_A);
  round_into(Real(factor * scaling) * product(G, transposed(real<T>(A))), grad_B);
}

template <typename T>
bool same_bits(const T& a, const T& b) {
  return a.size() == b.size() &&
         std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(*a.data())) ==
             0;
}

template <typename T>
bool same_parameters(const PairBuffers<T>& a, const PairBuffers<T>& b) {
  return same_bits(a.A, b.A) && same_bits(a.B, b.B);
}

}  // namespace rule_battery

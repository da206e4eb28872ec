// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/side.hpp>
#include <lorapro/layer/init_matrices.hpp>
#include <lorapro/layer/lora_init.hpp>

LORAPRO_NAMESPACE_BEGIN

/// Which of the first 2 r singular vectors of the gradient LoRA-GA gives to A and to B, each in the
/// order of their singular values, by PEFT's names.
enum class LoraGaDirection {
  ArB2r,  ///< A the first r, B the next
  A2rBr,  ///< B the first r, A the next
  ArBr    ///< in turn: B the 1st, the 3rd and so on, A the 2nd, the 4th...
};

/// The initialiser LoRA-GA: with the gradient G of the whole weight, of one batch or a few,
///
///     G = U Sigma V^T      A = V[:, :r]^T      B = U[:, r:2r] Sigma[r:2r] m^(1/4) / sqrt(gamma)
///     W0 -= s B A
///
/// or with other vectors of the 2 r, as `direction` says. PEFT's scale stable. (The paper's B has no
/// Sigma, so that it does not depend on the size of the gradient.) As with PissaInit, what was learned
/// belongs to the changed W0.
/// \cost as leading_svd of G, or as RandomizedSvd; and 2 m n r flops.
/// \ref Wang, Yu, Li, LoRA-GA, arXiv:2407.05000; PEFT, LoraLayer.lora_ga_init.
template <typename Scalar>
struct LoraGaInit {
  MatrixView<const Scalar> gradient;  ///< G (out_features, in_features), read when it is called
  double gamma = 16;                  ///< > 0
  std::optional<RandomizedSvd> randomized = std::nullopt;  ///< none: exact
  LoraGaDirection direction = LoraGaDirection::ArB2r;

  /// \throws ShapeError (G is not as W0), ConfigError (a quantised W0, 2 r above its sides, gamma, an
  /// entry of G that is not finite).
  template <typename Weight>
  BaseCorrection operator()(const LoraConfig& config, const Weight& weight,
                            const MatrixView<Scalar>& lora_A,
                            const MatrixView<Scalar>& lora_B) const {
    const Index rows = weight.out_features(), cols = weight.in_features(), rank = config.rank;
    detail::check_can_change("LoRA-GA", weight);
    checks::shape("gradient", gradient.rows, gradient.cols, rows, cols);
    checks::config(is_finite(gamma) && gamma > 0, "gamma", "a finite number > 0", gamma);
    detail::check_rank("LoRA-GA", rank, 2, rows, cols);
    const LeadingSvd svd =
        detail::leading_svd("gradient", detail::ViewWeight<Scalar>{gradient}, 2 * rank, randomized);
    const double size = std::sqrt(std::sqrt(static_cast<double>(rows)) / gamma);
    for (Index k = 0; k < rank; ++k) {
      const auto [of_A, of_B] = vectors(k, rank);
      for (Index j = 0; j < cols; ++j) lora_A(k, j) = static_cast<Scalar>(svd.right(j, of_A));
      for (Index i = 0; i < rows; ++i)
        lora_B(i, k) = static_cast<Scalar>(size * svd.values(of_B) * svd.left(i, of_B));
    }
    return BaseCorrection::subtract_adapter;
  }

 private:
  PerSide<Index> vectors(Index k, Index rank) const {
    switch (direction) {
      case LoraGaDirection::A2rBr:
        return {rank + k, k};
      case LoraGaDirection::ArBr:
        return {2 * k + 1, 2 * k};
      default:
        return {k, rank + k};
    }
  }
};

LORAPRO_NAMESPACE_END

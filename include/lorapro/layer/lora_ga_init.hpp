// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/layer/init_matrices.hpp>
#include <lorapro/layer/lora_init.hpp>

LORAPRO_NAMESPACE_BEGIN

/// The initialiser LoRA-GA: with the gradient G of the whole weight, of one batch or a few,
///
///     G = U Sigma V^T      A = V[:, :r]^T      B = U[:, r:2r] Sigma[r:2r] m^(1/4) / sqrt(gamma)
///     W0 -= s B A
///
/// PEFT's direction ArB2r and scale stable. (The paper's B has no Sigma, so that it does not depend
/// on the size of the gradient.) As with PissaInit, what was learned belongs to the changed W0.
/// \cost as leading_svd of G, or as RandomizedSvd; and 2 m n r flops.
/// \ref Wang, Yu, Li, LoRA-GA, arXiv:2407.05000; PEFT, LoraLayer.lora_ga_init.
template <typename Scalar>
struct LoraGaInit {
  MatrixView<const Scalar> gradient;  ///< G (out_features, in_features), read when it is called
  double gamma = 16;                  ///< > 0
  std::optional<RandomizedSvd> randomized = std::nullopt;  ///< none: exact

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
      for (Index j = 0; j < cols; ++j) lora_A(k, j) = static_cast<Scalar>(svd.right(j, k));
      for (Index i = 0; i < rows; ++i)
        lora_B(i, k) = static_cast<Scalar>(size * svd.values(rank + k) * svd.left(i, rank + k));
    }
    return BaseCorrection::subtract_adapter;
  }
};

LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/layer/init_matrices.hpp>
#include <lorapro/layer/lora_init.hpp>

LORAPRO_NAMESPACE_BEGIN

/// The initialiser LoRA-One: B A starts as the principal part of one step of full gradient descent.
/// With the gradient G of the whole weight,
///
///     -G = U Sigma V^T      B = U_r sqrt(Sigma_r / (sigma_1 gamma))
///                           A = sqrt(Sigma_r / (sigma_1 gamma)) V_r^T
///
/// W0 is not changed, and may have any format; the layer starts as W0 + s B A.
/// \cost as leading_svd of G, or as RandomizedSvd.
/// \ref Zhang, Liu, Chen, LoRA-One, arXiv:2502.01235.
template <typename Scalar>
struct LoraOneInit {
  MatrixView<const Scalar> gradient;  ///< G (out_features, in_features), read when it is called
  double gamma = 128;                 ///< > 0
  std::optional<RandomizedSvd> randomized = std::nullopt;  ///< none: exact

  /// \throws ShapeError (G is not as W0), ConfigError (a rank above the sides of W0, gamma, G = 0 or
  /// an entry of it that is not finite).
  template <typename Weight>
  void operator()(const LoraConfig& config, const Weight& weight, const MatrixView<Scalar>& lora_A,
                  const MatrixView<Scalar>& lora_B) const {
    const Index rows = weight.out_features(), cols = weight.in_features();
    checks::shape("gradient", gradient.rows, gradient.cols, rows, cols);
    checks::config(is_finite(gamma) && gamma > 0, "gamma", "a finite number > 0", gamma);
    detail::check_rank("LoRA-One", config.rank, 1, rows, cols);
    const LeadingSvd svd = detail::leading_svd("gradient", detail::ViewWeight<Scalar>{gradient},
                                               config.rank, randomized);
    if (svd.values(0) == 0) throw ConfigError("gradient: expected one that is not 0, got 0");
    detail::share_svd(svd, -svd.values(0) * gamma, lora_A, lora_B);
  }
};

LORAPRO_NAMESPACE_END

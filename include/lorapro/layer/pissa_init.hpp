// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/layer/init_matrices.hpp>
#include <lorapro/layer/lora_init.hpp>

LORAPRO_NAMESPACE_BEGIN

/// The initialiser PiSSA: the adapter starts as the principal part of W0, which keeps the rest,
///
///     W0 = U Sigma V^T      B = U_r sqrt(Sigma_r / s)      A = sqrt(Sigma_r / s) V_r^T
///     W0 -= s B A
///
/// \code
/// LoraLayer<float> layer(std::move(W0), config, bias, PissaInit{RandomizedSvd{}});
/// \endcode
///
/// What was learned belongs to the changed W0: io::difference_module makes of it, and of the pair
/// before training, an adapter for the untouched one.
/// \cost as leading_svd of W0, or as RandomizedSvd, which needs no copy of W0; and 2 m n r flops.
/// \ref Meng, Wang, Zhang, PiSSA, arXiv:2404.02948.
struct PissaInit {
  std::optional<RandomizedSvd> randomized;  ///< none: exact

  /// \throws ConfigError (a quantised W0, a rank above its sides, an entry that is not finite).
  template <typename Weight, typename Scalar>
  BaseCorrection operator()(const LoraConfig& config, const Weight& weight,
                            const MatrixView<Scalar>& lora_A,
                            const MatrixView<Scalar>& lora_B) const {
    detail::check_can_change("PiSSA", weight);
    detail::check_rank("PiSSA", config.rank, 1, weight.out_features(), weight.in_features());
    detail::share_svd(detail::leading_svd("base_weight", weight, config.rank, randomized),
                      config.scaling(), lora_A, lora_B);
    return BaseCorrection::subtract_adapter;
  }
};

LORAPRO_NAMESPACE_END

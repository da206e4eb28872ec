// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/layer/init_matrices.hpp>
#include <lorapro/layer/lora_init.hpp>

LORAPRO_NAMESPACE_BEGIN

/// The initialiser OLoRA: with the QR decomposition of W0, the diagonal of R positive,
///
///     W0 = Q R      B = Q_r, the first r columns      A = R_r, the first r rows      W0 -= s B A
///
/// Q_r depends on the first r columns of W0 alone, and R_r = Q_r^T W0: no whole decomposition is
/// made. As with PissaInit, what was learned belongs to the changed W0.
/// \cost 4 m n r + 4 m r^2 flops, in double; a copy of r columns of W0.
/// \ref Buyukakyuz, OLoRA, arXiv:2406.01775.
struct OLoraInit {
  int threads = 0;  ///< of the product; 0: as many as OpenMP has

  /// \throws ConfigError (a quantised W0, a rank above its sides, an entry that is not finite).
  template <typename Weight, typename Scalar>
  BaseCorrection operator()(const LoraConfig& config, const Weight& weight,
                            const MatrixView<Scalar>& lora_A,
                            const MatrixView<Scalar>& lora_B) const {
    detail::check_can_change("OLoRA", weight);
    detail::check_rank("OLoRA", config.rank, 1, weight.out_features(), weight.in_features());
    checks::config(threads >= 0, "threads", "a number >= 0", threads);
    const Eigen::MatrixXd Q =
        orthonormal_columns(detail::finite_columns("base_weight", weight, config.rank));
    RowMatrix<double> R(config.rank, weight.in_features());
    TiledProduct<double>::assign(transposed(make_view(Q)), WeightTiles<double, Weight>(weight),
                                 make_view(R), thread_count(threads));
    for (Index k = 0; k < config.rank; ++k) {
      const double sign = R(k, k) < 0 ? -1 : 1;
      for (Index j = 0; j < R.cols(); ++j) {
        if (!is_finite(R(k, j)))
          throw ConfigError("base_weight: expected finite numbers, got another in column " +
                            std::to_string(j));
        lora_A(k, j) = static_cast<Scalar>(sign * R(k, j));
      }
      for (Index i = 0; i < Q.rows(); ++i) lora_B(i, k) = static_cast<Scalar>(sign * Q(i, k));
    }
    return BaseCorrection::subtract_adapter;
  }
};

LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/layer/init_matrices.hpp>
#include <lorapro/layer/lora_init.hpp>

#include <Eigen/Eigenvalues>  // SelfAdjointEigenSolver

LORAPRO_NAMESPACE_BEGIN

/// An initialiser that starts an adapter from what one batch says: the rows of A become the leading
/// right singular vectors of the gradient G of the whole weight, as long as rows of kaiming_uniform
/// are on average, 1 / sqrt(3), and B becomes 0. Of all A of orthogonal rows these see most of G in
/// the first gradient of B, s G A^T. Where G has no direction left, rows are kaiming_uniform.
///
/// \code
/// layer.restart(lorapro::GradientAlignedInit<float>(lorapro::make_view(G)));
/// \endcode
///
/// \cost one product of G with itself and an eigendecomposition of size k = min(m, n) in double,
///       about 2 m n k + 9 k^3 flops; on the heap.
/// \ref Wang et al., LoRA-GA, arXiv:2407.05000, section 3, with B = 0.
template <typename Scalar>
class GradientAlignedInit {
  static_assert(is_compute_scalar_v<Scalar>, "GradientAlignedInit: Scalar must be float or double");

 public:
  /// \param gradient  G (out_features, in_features), read when the initialiser is called.
  explicit GradientAlignedInit(const MatrixView<const Scalar>& gradient) : gradient_(gradient) {}

  /// \throws ShapeError (G is not as W0), ConfigError (an entry of G that is not finite).
  template <typename Weight>
  void operator()(const LoraConfig& config, const Weight& weight, const MatrixView<Scalar>& lora_A,
                  const MatrixView<Scalar>& lora_B) const {
    checks::shape("gradient", gradient_.rows, gradient_.cols, weight.out_features(),
                  weight.in_features());
    LoraConfig start = config;
    start.init = LoraInit::kaiming_uniform;
    initialize_lora(start, lora_A, lora_B);
    const Eigen::MatrixXd right = leading_right_singular_vectors(lora_A.rows);
    const double length = std::sqrt(1.0 / 3.0);
    for (Index k = 0; k < right.cols(); ++k)
      for (Index j = 0; j < right.rows(); ++j)
        lora_A(k, j) = static_cast<Scalar>(length * right(j, k));
  }

 private:
  /// Columns, the one of the largest singular value first; at most `count`, and as many as G has.
  Eigen::MatrixXd leading_right_singular_vectors(Index count) const {
    const Eigen::MatrixXd G =
        detail::finite_columns("gradient", detail::ViewWeight<Scalar>{gradient_}, gradient_.cols);
    const bool wide = G.rows() < G.cols();
    Eigen::MatrixXd gram;
    if (wide) {
      gram = G * G.transpose();
    } else {
      gram = G.transpose() * G;
    }
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(gram);
    const Eigen::VectorXd values = eigen.eigenvalues().reverse();
    const double cutoff =
        static_cast<double>(values.size()) * std::numeric_limits<double>::epsilon() * values(0);
    count = (std::min)(count, values.size());
    while (count > 0 && !(values(count - 1) > cutoff)) --count;
    const Eigen::MatrixXd leading = eigen.eigenvectors().rowwise().reverse().leftCols(count);
    if (!wide) return leading;
    return (G.transpose() * leading).colwise().normalized();
  }

  MatrixView<const Scalar> gradient_;
};

LORAPRO_NAMESPACE_END

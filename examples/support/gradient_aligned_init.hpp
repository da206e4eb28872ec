// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <Eigen/Eigenvalues>
#include <algorithm>  // std::max, std::min
#include <cmath>      // std::sqrt
#include <utility>
#include <vector>

#include "../nn/linear.hpp"

namespace examples {

/// Starts adapters from what the first batch says: the rows of A become the leading right singular
/// vectors of the gradient G of the whole weight, as long as the usual random rows are on average,
/// and B stays 0. Of all A these see most of G (Wang et al., LoRA-GA, arXiv:2407.05000, section 3,
/// with B = 0).
class GradientAlignedInit {
 public:
  using Layer = nn::Linear<float>;

  /// To be called before the backward pass of the first batch.
  /// \param layers  those with adapters have B = 0; others, such as a head, are left alone.
  explicit GradientAlignedInit(const std::vector<Layer*>& layers) {
    for (Layer* const layer : layers) {
      if (!layer->adapter()) continue;
      layer->watch_weight_gradient(true);
      layers_.push_back(layer);
    }
  }

  /// To be called after it, before the first step: the gradients become those at the new A.
  void apply() {
    for (Layer* const layer : layers_) {
      auto& adapter = *layer->adapter();
      const Layer::Matrix G = layer->weight_gradient();
      const auto count = std::min({adapter.rank(), G.rows(), G.cols()});
      const float length = std::sqrt(1.0F / 3.0F);
      adapter.lora_A().topRows(count) =
          length * leading_right_singular_vectors(G, count).transpose().cast<float>();
      adapter.grad_A().setZero();  // s B^T G
      adapter.grad_B() = static_cast<float>(adapter.scaling()) * G * adapter.lora_A().transpose();
      layer->watch_weight_gradient(false);
    }
  }

 private:
  /// Columns, from the eigenvectors of the smaller one of G^T G and G G^T.
  static Eigen::MatrixXd leading_right_singular_vectors(const Layer::Matrix& gradient,
                                                        Eigen::Index count) {
    const Eigen::MatrixXd G = gradient.cast<double>();
    const bool wide = G.rows() < G.cols();
    Eigen::MatrixXd gram;
    if (wide) {
      gram = G * G.transpose();
    } else {
      gram = G.transpose() * G;
    }
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(gram);
    const Eigen::MatrixXd leading = eigen.eigenvectors().rightCols(count);
    if (!wide) return leading;
    Eigen::MatrixXd right = G.transpose() * leading;
    // A gradient of lower rank has no direction for the rest: those rows of A become 0.
    for (Eigen::Index k = 0; k < count; ++k) right.col(k) /= std::max(right.col(k).norm(), 1e-30);
    return right;
  }

  std::vector<Layer*> layers_;
};

}  // namespace examples

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

/// Starts adapters from what one batch says: the rows of A become the leading right singular
/// vectors of the gradient G of the whole weight, as long as the usual random rows are on average,
/// and B becomes 0. Of all A these see most of G (Wang et al., LoRA-GA, arXiv:2407.05000, section
/// 3, with B = 0). What the adapters have learned so far goes into the weights behind them, so that
/// nothing else changes (Lialin et al., ReLoRA, arXiv:2307.05695).
class GradientAlignedInit {
 public:
  using Layer = nn::Linear<float>;

  /// To be called before the backward pass of the batch.
  /// \param layers  those without an adapter, such as a head, are left alone.
  explicit GradientAlignedInit(const std::vector<Layer*>& layers) {
    for (Layer* const layer : layers) {
      if (!layer->adapter()) continue;
      layers_.push_back({layer, layer->watches_weight_gradient()});
      layer->watch_weight_gradient(true);
    }
  }

  /// To be called after it, before the step: the gradients become those at the new A and B.
  void apply() {
    for (const auto& [layer, stays_watched] : layers_) {
      auto& adapter = *layer->adapter();
      const auto scaling = static_cast<float>(adapter.scaling());
      layer->weight().value += scaling * adapter.lora_B() * adapter.lora_A();
      adapter.lora_B().setZero();
      const Layer::Matrix G = layer->weight_gradient();
      const auto count = std::min({adapter.rank(), G.rows(), G.cols()});
      const float length = std::sqrt(1.0F / 3.0F);
      adapter.lora_A().topRows(count) =
          length * leading_right_singular_vectors(G, count).transpose().cast<float>();
      adapter.grad_A().setZero();  // s B^T G
      adapter.grad_B() = scaling * G * adapter.lora_A().transpose();
      if (!stays_watched) layer->watch_weight_gradient(false);
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

  struct Watched {
    Layer* layer;
    bool before;  // by somebody else
  };
  std::vector<Watched> layers_;
};

}  // namespace examples

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
  void apply();

 private:
  /// Columns, from the eigenvectors of the smaller one of G^T G and G G^T.
  static Eigen::MatrixXd leading_right_singular_vectors(const Layer::Matrix& gradient,
                                                        Eigen::Index count);

  struct Watched {
    Layer* layer;
    bool before;  // by somebody else
  };
  std::vector<Watched> layers_;
};

}  // namespace examples

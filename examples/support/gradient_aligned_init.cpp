// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "gradient_aligned_init.hpp"

namespace examples {

void GradientAlignedInit::apply() {
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

Eigen::MatrixXd GradientAlignedInit::leading_right_singular_vectors(const Layer::Matrix& gradient,
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

}  // namespace examples

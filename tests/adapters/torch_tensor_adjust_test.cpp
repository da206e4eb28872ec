// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

#include <lorapro/adjust/adjust_gradient.hpp>

namespace {

using lorapro::Gauge;
using lorapro::torch_adapter::detail::TensorPair;
using lorapro::torch_adapter::detail::TensorStep;
using support::deviation;
using torch::Tensor;

Tensor normal_matrix(std::int64_t rows, std::int64_t cols) {
  return torch::randn({rows, cols}, torch::kDouble);
}
Eigen::Map<lorapro::RowMatrix<double>> mapped_matrix(const Tensor& tensor) {
  return {tensor.data_ptr<double>(), tensor.size(0), tensor.size(1)};
}

TEST_CASE("the closed form by tensors is that of adjust_gradient", "[torch_tensor_adjust]") {
  const Gauge gauge = GENERATE(Gauge::sylvester, Gauge::balanced, Gauge::zero);
  const double damping = GENERATE(0.0, 0.1);
  const double lr = GENERATE(0.0, 0.3);
  const auto free = GENERATE(lorapro::Side::B, lorapro::Side::A);
  constexpr double kScaling = 1.5;
  torch::manual_seed(71);
  const Tensor A = normal_matrix(3, 9), B = normal_matrix(7, 3);
  const Tensor G = normal_matrix(7, 9);
  const TensorStep grad{B.t().mm(G) * kScaling, G.mm(A.t()) * kScaling};
  lorapro::AdjustOptions options;
  options.gauge = gauge;
  options.damping = damping;
  options.lr = lr;
  options.free_factor = free;
  const TensorPair pair(A, B, 1e-16);
  const TensorStep step =
      pair.adjust(grad, kScaling, options, pair.damped_norm(grad, kScaling, options));
  const Tensor dA = torch::empty_like(A), dB = torch::empty_like(B);
  auto to_A = mapped_matrix(dA);
  auto to_B = mapped_matrix(dB);
  const auto report =
      lorapro::adjust_gradient(lorapro::lora_factors(mapped_matrix(A), mapped_matrix(B), kScaling),
                               lorapro::factor_pair(mapped_matrix(grad.A), mapped_matrix(grad.B)),
                               lorapro::factor_pair(to_A, to_B), options);
  REQUIRE(report.usable());
  CHECK(deviation(step.A, dA) < 1e-12);
  CHECK(deviation(step.B, dB) < 1e-12);
}

TEST_CASE("images and norms are those of the matrices that they stand for",
          "[torch_tensor_adjust]") {
  torch::manual_seed(72);
  const Tensor A = normal_matrix(3, 9), B = normal_matrix(7, 3);
  const TensorPair pair(A, B, 1e-16), other(normal_matrix(3, 9), normal_matrix(7, 3), 1e-16);
  const TensorStep step{normal_matrix(3, 9), normal_matrix(7, 3)};
  const Tensor whole = B.mm(step.A) + step.B.mm(A);
  CHECK(deviation(pair.image(step).A, B.t().mm(whole)) < 1e-13);
  CHECK(deviation(pair.image(step).B, whole.mm(A.t())) < 1e-13);
  CHECK(deviation(pair.image(step, other).A, other.B().t().mm(whole)) < 1e-13);
  CHECK(deviation(pair.image(step, other).B, whole.mm(other.A().t())) < 1e-13);
  CHECK(deviation(pair.squared_norm(step), whole.square().sum()) < 1e-13);
  const auto svd = torch::linalg_svd(whole, /*full_matrices=*/false);
  const Tensor kept = (std::get<1>(svd) > std::get<1>(svd).max() * 1e-5).to(torch::kDouble);
  const Tensor orthogonal = (std::get<0>(svd) * kept).mm(std::get<2>(svd));
  CHECK(deviation(pair.orthogonal_image(step).A, B.t().mm(orthogonal)) < 1e-10);
  CHECK(deviation(pair.orthogonal_image(step).B, orthogonal.mm(A.t())) < 1e-10);
}

TEST_CASE("a factor that has lost rank is noticed, and steps stay finite",
          "[torch_tensor_adjust]") {
  torch::manual_seed(73);
  const Tensor A = normal_matrix(3, 9), B = normal_matrix(7, 3);
  CHECK(!TensorPair(A, B, 1e-16).deficient().item<bool>());
  const TensorPair lost(A, torch::zeros({7, 3}, torch::kDouble), 1e-16);
  CHECK(lost.deficient().item<bool>());
  const TensorStep step =
      lost.adjust({normal_matrix(3, 9), normal_matrix(7, 3)}, 1.0, lorapro::AdjustOptions());
  CHECK(step.A.isfinite().all().item<bool>());
  CHECK(step.B.isfinite().all().item<bool>());
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

#include <lorapro/adjust/adjust_gradient.hpp>

namespace {

using lorapro::Gauge;
using lorapro::torch_adapter::detail::TensorPairs;
using lorapro::torch_adapter::detail::TensorStep;
using support::deviation;
using torch::Tensor;

Eigen::Map<lorapro::RowMatrix<double>> mapped_matrix(const Tensor& tensor) {
  return {tensor.data_ptr<double>(), tensor.size(0), tensor.size(1)};
}

Tensor normal_stack(std::int64_t rows, std::int64_t cols) {
  return torch::randn({2, rows, cols}, torch::kDouble);
}

TEST_CASE("the closed form by tensors is that of adjust_gradient", "[torch_tensor_adjust]") {
  const Gauge gauge = GENERATE(Gauge::sylvester, Gauge::balanced, Gauge::zero);
  const double damping = GENERATE(0.0, 0.1);
  const double lr = GENERATE(0.0, 0.3);
  const auto free = GENERATE(lorapro::Side::B, lorapro::Side::A);
  torch::manual_seed(71);
  const Tensor scaling = torch::tensor({1.5, -0.25}, torch::kDouble);
  const Tensor A = normal_stack(3, 9), B = normal_stack(7, 3);
  const Tensor G = normal_stack(7, 9) * scaling.unsqueeze(-1).unsqueeze(-1);
  const TensorStep grad{B.mT().matmul(G), G.matmul(A.mT())};
  lorapro::AdjustOptions options;
  options.gauge = gauge;
  options.damping = damping;
  options.lr = lr;
  options.free_factor = free;
  const TensorPairs pairs(A, B, 1e-16);
  const TensorStep step =
      pairs.adjust(grad, scaling, options, pairs.damped_norm(grad, scaling, options));
  for (std::int64_t k = 0; k < 2; ++k) {
    CAPTURE(k);
    const Tensor dA = torch::empty_like(A[k]), dB = torch::empty_like(B[k]);
    auto to_A = mapped_matrix(dA);
    auto to_B = mapped_matrix(dB);
    const auto report = lorapro::adjust_gradient(
        lorapro::lora_factors(mapped_matrix(A[k]), mapped_matrix(B[k]), scaling[k].item<double>()),
        lorapro::factor_pair(mapped_matrix(grad.A[k]), mapped_matrix(grad.B[k])),
        lorapro::factor_pair(to_A, to_B), options);
    REQUIRE(report.usable());
    CHECK(deviation(step.A[k], dA) < 1e-12);
    CHECK(deviation(step.B[k], dB) < 1e-12);
  }
}

TEST_CASE("images and norms are those of the matrices that they stand for",
          "[torch_tensor_adjust]") {
  torch::manual_seed(72);
  const Tensor A = normal_stack(3, 9), B = normal_stack(7, 3);
  const TensorPairs pairs(A, B, 1e-16);
  const TensorStep other{normal_stack(3, 9), normal_stack(7, 3)};
  const TensorStep step{normal_stack(3, 9), normal_stack(7, 3)};
  const Tensor whole = B.matmul(step.A) + step.B.matmul(A);
  CHECK(deviation(pairs.image(step).A, B.mT().matmul(whole)) < 1e-13);
  CHECK(deviation(pairs.image(step).B, whole.matmul(A.mT())) < 1e-13);
  CHECK(deviation(pairs.image(step, other).A, other.B.mT().matmul(whole)) < 1e-13);
  CHECK(deviation(pairs.image(step, other).B, whole.matmul(other.A.mT())) < 1e-13);
  CHECK(deviation(pairs.squared_norm(step), whole.square().sum(torch::IntArrayRef({1, 2}))) <
        1e-13);
}

TEST_CASE("a factor that has lost rank is noticed, and steps stay finite",
          "[torch_tensor_adjust]") {
  torch::manual_seed(73);
  const Tensor A = normal_stack(3, 9), B = normal_stack(7, 3);
  B[1].zero_();
  const TensorPairs pairs(A, B, 1e-16);
  CHECK(!pairs.deficient()[0].item<bool>());
  CHECK(pairs.deficient()[1].item<bool>());
  const TensorStep step = pairs.adjust({normal_stack(3, 9), normal_stack(7, 3)},
                                       torch::ones({2}, torch::kDouble), lorapro::AdjustOptions());
  CHECK(step.A.isfinite().all().item<bool>());
  CHECK(step.B.isfinite().all().item<bool>());
}

}  // namespace

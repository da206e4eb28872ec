// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

#include <lorapro/adapters/torch/tensor_spectral_direction.hpp>

namespace {

using lorapro::torch_adapter::detail::orthogonal_image;
using lorapro::torch_adapter::detail::TensorPairs;
using lorapro::torch_adapter::detail::TensorStep;
using support::deviation;
using torch::Tensor;

Tensor random_stack(std::int64_t rows, std::int64_t cols) {
  return torch::randn({2, rows, cols}, torch::kDouble);
}

/// Each against the SVD of the whole matrix, without singular values below 1e-5 of the largest.
void check_images(const Tensor& A, const Tensor& B, const Tensor& N) {
  const TensorPairs pairs(A, B, 1e-16);
  const TensorStep image = orthogonal_image(pairs, {B.mT().matmul(N), N.matmul(A.mT())});
  for (std::int64_t k = 0; k < A.size(0); ++k) {
    CAPTURE(k);
    const auto svd = torch::linalg_svd(N[k], /*full_matrices=*/false);
    const Tensor kept = (std::get<1>(svd) > std::get<1>(svd).max() * 1e-5).to(torch::kDouble);
    const Tensor orthogonal = (std::get<0>(svd) * kept).mm(std::get<2>(svd));
    CHECK(deviation(image.A[k], B[k].t().mm(orthogonal)) < 1e-10);
    CHECK(deviation(image.B[k], orthogonal.mm(A[k].t())) < 1e-10);
  }
}

TEST_CASE("the orthogonal factor by tensors is that of the whole matrix",
          "[torch_tensor_spectral_direction]") {
  torch::manual_seed(75);
  const Tensor A = random_stack(3, 9), B = random_stack(7, 3);
  const double scale = GENERATE(1.0, 1e-30, 1e30);
  check_images(A, B, (B.matmul(random_stack(3, 9)) + random_stack(7, 3).matmul(A)) * scale);
}

TEST_CASE("[trap] directions that are lost, or not there, leave the orthogonal factor finite",
          "[torch_tensor_spectral_direction]") {
  torch::manual_seed(76);
  const Tensor A = random_stack(3, 9), B = random_stack(7, 3);
  B[0].zero_();               // before the first step
  B[1].select(1, 2).zero_();  // a direction of B is lost
  Tensor to_A = random_stack(3, 9);
  to_A.select(1, 2).zero_();
  const Tensor N = B.matmul(to_A) + random_stack(7, 3).matmul(A);
  check_images(A, B, N);
  // Of rank one, inside of both spaces.
  const Tensor full_B = random_stack(7, 3);
  check_images(A, full_B, full_B.narrow(2, 0, 1).matmul(A.narrow(1, 0, 1)));

  const TensorStep none =
      orthogonal_image(TensorPairs(A, B, 1e-16), {torch::zeros_like(A), torch::zeros_like(B)});
  CHECK(none.A.abs().max().item<double>() == 0);
  CHECK(none.B.abs().max().item<double>() == 0);
}

}  // namespace

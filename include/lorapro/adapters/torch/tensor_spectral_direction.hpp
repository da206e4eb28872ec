// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/torch/tensor_adjust.hpp>
#include <lorapro/adjust/spectral_direction.hpp>

#include <limits>  // std::numeric_limits
#include <tuple>   // std::tie

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {
namespace detail {

/// Of one side of SpectralDirection: with P = V diag(l) V^T of the factor on that side.
struct TensorBasis {
  torch::Tensor whiten, colour;  ///< diag(l)^-1/2 V^T and diag(l)^1/2 V^T, (k, r, r)
  torch::Tensor smallest;        ///< of the l that count, (k); infinite where none does

  explicit TensorBasis(const TensorSpectrum& of) {
    const torch::Tensor counts = of.counts(), zero = torch::zeros_like(of.values);
    const torch::Tensor roots = torch::where(counts, of.values.sqrt(), zero);
    whiten = reciprocal_where(counts, roots).unsqueeze(-1) * of.vectors.mT();
    colour = roots.unsqueeze(-1) * of.vectors.mT();
    const torch::Tensor none = torch::full_like(zero, std::numeric_limits<double>::infinity());
    smallest = torch::where(counts, of.values, none).amin(-1);
  }
};

/// What of a tangent vector one factor does not reach: the eigenvectors of X X^T, as columns, and the
/// roots of its eigenvalues, 0 where they are noise.
struct TensorOutside {
  torch::Tensor vectors, roots, inverse_roots;

  TensorOutside(const torch::Tensor& gram, const torch::Tensor& noise) {
    torch::Tensor values;
    std::tie(values, vectors) = torch::linalg_eigh(gram, "L");
    const torch::Tensor counts = values > per_row(noise), zero = torch::zeros_like(values);
    roots = torch::where(counts, values.sqrt(), zero);
    inverse_roots = reciprocal_where(counts, roots);
  }
};

/// Z = K (K^T K)^-1/2 over the singular values above SpectralDirection::kCutoff times the largest.
inline torch::Tensor orthogonal_factor(const torch::Tensor& K) {
  const torch::Tensor vectors = std::get<1>(torch::linalg_eigh(K.mT().matmul(K), "L"));
  const torch::Tensor images = K.matmul(vectors);
  const torch::Tensor sigma = images.square().sum(-2, /*keepdim=*/true).sqrt();
  const torch::Tensor least =
      sigma.amax(-1, /*keepdim=*/true).clamp_min(1e-140) * SpectralDirection::kCutoff;
  return (images * reciprocal_where(sigma > least, sigma)).matmul(vectors.mT());
}

/// What the factors of k pairs see of the orthogonal factors of tangent vectors N, from what they see
/// of N: SpectralDirection by tensor operations, to which its letters belong.
/// \param seen  (B^T N, N A^T), in double. \return (B^T H, H A^T).
/// \cost 16 r^2 (m + n) flops and three eigendecompositions, two of order r and one of 2 r, a pair.
inline TensorStep orthogonal_image(const TensorPairs& pairs, const TensorStep& seen) {
  const torch::Tensor &A = pairs.A(), &B = pairs.B();
  const TensorBasis left(pairs.of_P()), right(pairs.of_Q());
  const torch::Tensor whiten_right = right.whiten.mT();
  // Each side has its own C, equal but for the rounding of what is seen.
  const torch::Tensor C_A = left.whiten.matmul(seen.A.matmul(A.mT())).matmul(whiten_right);
  const torch::Tensor C_B = left.whiten.matmul(B.mT().matmul(seen.B)).matmul(whiten_right);
  const torch::Tensor X = left.whiten.matmul(seen.A.matmul(seen.A.mT())).matmul(left.whiten.mT()) -
                          C_A.matmul(C_A.mT());
  const torch::Tensor Y =
      right.whiten.matmul(seen.B.mT().matmul(seen.B)).matmul(whiten_right) - C_B.mT().matmul(C_B);

  const auto trace = [](const torch::Tensor& of) { return of.diagonal(0, -2, -1).sum(-1); };
  const auto conditioning = [](const TensorSpectrum& of, const TensorBasis& basis) {
    return (of.largest / basis.smallest).clamp_min(1);
  };
  const auto rank = static_cast<double>(A.size(-2));
  const torch::Tensor total = matrix_sums(C_A.square()) + trace(X) + trace(Y);
  const torch::Tensor noise =
      (total * torch::maximum(conditioning(pairs.of_P(), left), conditioning(pairs.of_Q(), right)) *
       (16 * rank * std::numeric_limits<double>::epsilon()))
          .clamp_min(1e-300);
  const TensorOutside of_X(X, noise), of_Y(Y, noise);

  const auto along = [](const torch::Tensor& numbers) { return numbers.unsqueeze(-2); };
  const torch::Tensor K = torch::cat(
      {torch::cat({(C_A + C_B) * 0.5, of_X.vectors * along(of_X.roots)}, -1),
       torch::cat({(of_Y.vectors * along(of_Y.roots)).mT(), torch::zeros_like(C_A)}, -1)},
      -2);
  const torch::Tensor Z = orthogonal_factor(K);
  const auto r = A.size(-2);
  const torch::Tensor Z_11 = Z.narrow(-2, 0, r).narrow(-1, 0, r);
  const auto onto = [&](const torch::Tensor& Z_12, const TensorOutside& of) {
    return (Z_12 * along(of.inverse_roots)).matmul(of.vectors.mT());
  };
  const torch::Tensor T_A = onto(Z.narrow(-2, 0, r).narrow(-1, r, r), of_X);
  const torch::Tensor T_B = onto(Z.narrow(-2, r, r).narrow(-1, 0, r).mT(), of_Y);
  const torch::Tensor up = left.colour.mT(), down = right.colour;
  return {up.matmul(T_A).matmul(left.whiten).matmul(seen.A) +
              up.matmul(Z_11 - T_A.matmul(C_A)).matmul(right.whiten).matmul(A),
          seen.B.matmul(whiten_right.matmul(T_B.mT()).matmul(down)) +
              B.matmul(left.whiten.mT().matmul(Z_11 - C_B.matmul(T_B.mT())).matmul(down))};
}

}  // namespace detail
}  // namespace torch_adapter
LORAPRO_NAMESPACE_END

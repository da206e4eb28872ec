// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/pair_solver.hpp>

#include <torch/types.h>  // torch::Tensor, torch::linalg_eigh

#include <tuple>  // std::tie

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {
namespace detail {

/// \file
/// The closed form of adjust/coefficients.hpp by tensor operations, for tensors on any device that
/// has double and an eigendecomposition. All of it in double, on k pairs of one shape at once, which
/// stand one after another in the first dimension; nothing waits for the device.

/// A number of each of k pairs, (k), against their vectors or matrices.
inline torch::Tensor per_row(const torch::Tensor& numbers) { return numbers.unsqueeze(-1); }
inline torch::Tensor per_matrix(const torch::Tensor& numbers) {
  return numbers.unsqueeze(-1).unsqueeze(-1);
}

/// The sums of k matrices, (k).
inline torch::Tensor matrix_sums(const torch::Tensor& matrices) {
  return matrices.sum(torch::IntArrayRef({-2, -1}));
}

/// 1 / numbers where they count, else 0.
inline torch::Tensor reciprocal_where(const torch::Tensor& counts, const torch::Tensor& numbers) {
  return torch::where(counts, numbers.reciprocal(), torch::zeros_like(numbers));
}

/// Eigenvalues of Gram matrices and what of them counts.
struct TensorSpectrum {
  torch::Tensor values, vectors;  ///< (k, r), (k, r, r): the columns are the eigenvectors
  torch::Tensor largest, cutoff;  ///< (k): of the values; relative, as in SpectralPair

  /// \param gram  (k, r, r), finite.
  TensorSpectrum(const torch::Tensor& gram, double storage_eps) {
    std::tie(values, vectors) = torch::linalg_eigh(gram, "L");
    values = values.clamp_min(0);
    largest = values.amax(-1);
    cutoff = largest * (static_cast<double>(gram.size(-1)) * cutoff_epsilon(storage_eps));
  }
  /// Which values count, booleans (k, r).
  torch::Tensor counts() const { return values > per_row(cutoff); }
  /// Whether a direction has been lost, booleans (k).
  torch::Tensor deficient() const { return counts().logical_not().any(-1); }
};

/// Of each factor: tangent vectors dW = B dA + dB A, gradients, the factors themselves.
struct TensorStep {
  torch::Tensor A;  ///< dA, (k, r, n)
  torch::Tensor B;  ///< dB, (k, m, r)
};

/// The factors of k pairs with their spectra.
class TensorPairs {
 public:
  /// \param A, B  (k, r, n), (k, m, r), in double.
  TensorPairs(const torch::Tensor& A, const torch::Tensor& B, double storage_eps)
      : A_(A), B_(B), of_P_(B.mT().matmul(B), storage_eps), of_Q_(A.matmul(A.mT()), storage_eps) {}

  /// As AdjustCoefficients: the damped closed form of the gradients, in double.
  /// \param scaling         s of each pair, (k).
  /// \param direction_norm  (k) in double, as in PairSolver::finish; undefined for none.
  TensorStep adjust(const TensorStep& grad, const torch::Tensor& scaling,
                    const AdjustOptions& options, const torch::Tensor& direction_norm = {}) const {
    const torch::Tensor s2 = scaling.square();
    const torch::Tensor &l = of_P_.values, &u = of_Q_.values;
    const bool damped = options.damping > 0;
    torch::Tensor lambda_A = of_P_.largest * options.damping * s2;
    torch::Tensor lambda_B = of_Q_.largest * options.damping * s2;
    if (damped && direction_norm.defined()) {
      const bool fixed_A = options.fixed_factor() == Side::A;
      const torch::Tensor tau = direction_norm * (options.lr / (2 * options.max_relative_move));
      const torch::Tensor size = (fixed_A ? u : l).sum(-1);
      torch::Tensor& fixed = fixed_A ? lambda_A : lambda_B;
      fixed = fixed + torch::where(size > 0, tau.square() / size, torch::zeros_like(size));
    }
    const auto inverse = [&](const torch::Tensor& value, const TensorSpectrum& of,
                             const torch::Tensor& lambda) {
      const torch::Tensor denominator = value * per_row(s2) + per_row(lambda);
      return reciprocal_where(
          per_row(of.largest > 0).logical_and(denominator > per_row(of.cutoff * s2)), denominator);
    };
    const torch::Tensor t = inverse(l, of_P_, lambda_A), q = inverse(u, of_Q_, lambda_B);
    // Eigenvalues of P down the rows of a core, those of Q along them.
    const torch::Tensor l_down = l.unsqueeze(-1), t_down = t.unsqueeze(-1),
                        u_along = u.unsqueeze(-2), q_along = q.unsqueeze(-2);

    const torch::Tensor &V = of_P_.vectors, &U = of_Q_.vectors, minus_s2 = per_matrix(-s2);
    const torch::Tensor core_A = V.mT().matmul(grad.A.matmul(A_.mT())).matmul(U);
    const torch::Tensor core_B = V.mT().matmul(B_.mT().matmul(grad.B)).matmul(U);
    torch::Tensor on_A = core_A * t_down * minus_s2, on_B = core_B * q_along * minus_s2;
    if (damped) {
      // What multiplies 1 - w and 1 - p of scale_free_dampings in the parts of dA and dB.
      const auto share = [](const torch::Tensor& own, const torch::Tensor& others) {
        return torch::where(own > 0, own / (own + others), torch::zeros_like(others));
      };
      on_A = on_A * q_along *
             share(per_matrix(lambda_A), l_down * q_along * per_matrix(lambda_B * s2));
      on_B =
          on_B * t_down * share(per_matrix(lambda_B), t_down * u_along * per_matrix(lambda_A * s2));
    } else {
      const torch::Tensor sums = l_down + u_along;
      const torch::Tensor d =
          reciprocal_where(sums > per_matrix(of_P_.cutoff + of_Q_.cutoff), sums * per_matrix(s2));
      on_A = on_A * d;
      on_B = on_B * d;
    }
    if (options.gauge == Gauge::zero) {
      on_B = on_B + on_A;
      on_A = torch::zeros_like(on_A);
    } else if (options.gauge == Gauge::balanced) {
      const torch::Tensor dA_At = core_A * t_down + on_A * u_along;
      const torch::Tensor Bt_dB = core_B * q_along + on_B * l_down;
      const torch::Tensor shift =
          (dA_At * l_down - Bt_dB * u_along) * t_down * q_along * per_matrix(s2.square() * -0.5);
      on_A = on_A + shift;
      on_B = on_B - shift;
    }
    const torch::Tensor t_along = t.unsqueeze(-2);
    return {(V * t_along).matmul(V.mT()).matmul(grad.A) + V.matmul(on_A).matmul(U.mT()).matmul(A_),
            grad.B.matmul((U * q_along).matmul(U.mT())) + B_.matmul(V.matmul(on_B).matmul(U.mT()))};
  }

  /// damped_norm of what the factors see of directions: (s B^T H, s H A^T). (k)
  torch::Tensor damped_norm(const TensorStep& seen, const torch::Tensor& scaling,
                            const AdjustOptions& options) const {
    const bool fixed_A = options.fixed_factor() == Side::A;
    const TensorSpectrum& of = fixed_A ? of_P_ : of_Q_;
    const torch::Tensor along =
        of.vectors.mT().matmul(fixed_A ? seen.A : seen.B.mT()).square().sum(-1);
    const torch::Tensor damped = of.values + per_row(of.largest * options.damping);
    return torch::where(damped > 0, along / damped, torch::zeros_like(along)).sum(-1).sqrt() /
           scaling.abs();
  }

  /// What the factors see of tangent vectors T: (B^T T, T A^T).
  TensorStep image(const TensorStep& tangent) const { return image(tangent, {A_, B_}); }
  /// The same of vectors at these factors, seen by others.
  TensorStep image(const TensorStep& tangent, const TensorStep& by) const {
    return {by.B.mT().matmul(B_).matmul(tangent.A) + by.B.mT().matmul(tangent.B).matmul(A_),
            B_.matmul(tangent.A.matmul(by.A.mT())) + tangent.B.matmul(A_.matmul(by.A.mT()))};
  }

  /// ||B dA + dB A||_F^2, without forming it. (k)
  torch::Tensor squared_norm(const TensorStep& tangent) const {
    const torch::Tensor own_A = matrix_sums(B_.mT().matmul(B_) * tangent.A.matmul(tangent.A.mT()));
    const torch::Tensor own_B = matrix_sums(A_.matmul(A_.mT()) * tangent.B.mT().matmul(tangent.B));
    const torch::Tensor mixed = matrix_sums(B_.mT().matmul(tangent.B) * tangent.A.matmul(A_.mT()));
    return (own_A + own_B + mixed * 2).clamp_min(0);
  }

  /// Booleans (k).
  torch::Tensor deficient() const { return of_P_.deficient().logical_or(of_Q_.deficient()); }
  const torch::Tensor& A() const { return A_; }
  const torch::Tensor& B() const { return B_; }
  const TensorSpectrum& of_P() const { return of_P_; }  ///< of B^T B
  const TensorSpectrum& of_Q() const { return of_Q_; }  ///< of A A^T

 private:
  torch::Tensor A_, B_;
  TensorSpectrum of_P_, of_Q_;
};

}  // namespace detail
}  // namespace torch_adapter
LORAPRO_NAMESPACE_END

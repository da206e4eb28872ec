// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/pair_solver.hpp>

#include <torch/types.h>  // torch::Tensor, torch::linalg_eigh

#include <cmath>  // std::abs
#include <tuple>  // std::tie

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {
namespace detail {

/// \file
/// The closed form of adjust/coefficients.hpp by tensor operations, for tensors on any device that
/// has double and an eigendecomposition. All of it in double; nothing waits for the device.

/// Eigenvalues of a Gram matrix and what of them counts.
struct TensorSpectrum {
  torch::Tensor values, vectors;  ///< (r), (r, r): the columns are the eigenvectors
  torch::Tensor largest, cutoff;  ///< of the values; relative, as in SpectralPair

  /// \param gram  (r, r), finite.
  TensorSpectrum(const torch::Tensor& gram, double storage_eps) {
    std::tie(values, vectors) = torch::linalg_eigh(gram, "L");
    values = values.clamp_min(0);
    largest = values.max();
    cutoff = largest * (static_cast<double>(gram.size(0)) * cutoff_epsilon(storage_eps));
  }
  /// Whether a direction has been lost, a boolean.
  torch::Tensor deficient() const { return (values <= cutoff).any(); }
};

/// A tangent vector dW = B dA + dB A.
struct TensorStep {
  torch::Tensor A;  ///< dA, (r, n)
  torch::Tensor B;  ///< dB, (m, r)
};

/// The factors of one pair with their spectra.
class TensorPair {
 public:
  /// \param A, B  in double.
  TensorPair(const torch::Tensor& A, const torch::Tensor& B, double storage_eps)
      : A_(A), B_(B), of_P_(B.t().mm(B), storage_eps), of_Q_(A.mm(A.t()), storage_eps) {}

  /// As AdjustCoefficients: the damped closed form of the gradients, in double.
  /// \param direction_norm  a number in double, as in PairSolver::finish; undefined for none.
  TensorStep adjust(const TensorStep& grad, double scaling, const AdjustOptions& options,
                    const torch::Tensor& direction_norm = {}) const {
    const double s2 = scaling * scaling;
    const torch::Tensor &l = of_P_.values, &u = of_Q_.values;
    const bool damped = options.damping > 0;
    torch::Tensor lambda_A = of_P_.largest * (options.damping * s2);
    torch::Tensor lambda_B = of_Q_.largest * (options.damping * s2);
    if (damped && direction_norm.defined()) {
      const bool fixed_A = options.fixed_factor() == Side::A;
      const torch::Tensor tau = direction_norm * (options.lr / (2 * options.max_relative_move));
      const torch::Tensor size = (fixed_A ? u : l).sum();
      torch::Tensor& fixed = fixed_A ? lambda_A : lambda_B;
      fixed = fixed + torch::where(size > 0, tau.square() / size, torch::zeros_like(size));
    }
    const auto inverse = [&](const torch::Tensor& value, const TensorSpectrum& of,
                             const torch::Tensor& lambda) {
      const torch::Tensor denominator = value * s2 + lambda;
      return torch::where((of.largest > 0).logical_and(denominator > of.cutoff * s2),
                          denominator.reciprocal(), torch::zeros_like(denominator));
    };
    const torch::Tensor t = inverse(l, of_P_, lambda_A), q = inverse(u, of_Q_, lambda_B);

    const torch::Tensor &V = of_P_.vectors, &U = of_Q_.vectors;
    const torch::Tensor core_A = V.t().mm(grad.A.mm(A_.t())).mm(U);
    const torch::Tensor core_B = V.t().mm(B_.t().mm(grad.B)).mm(U);
    torch::Tensor on_A = core_A * t.unsqueeze(1) * -s2, on_B = core_B * q.unsqueeze(0) * -s2;
    if (damped) {
      // What multiplies 1 - w and 1 - p of scale_free_dampings in the parts of dA and dB.
      const auto share = [](const torch::Tensor& own, const torch::Tensor& others) {
        return torch::where(own > 0, own / (own + others), torch::zeros_like(others));
      };
      on_A = on_A * q.unsqueeze(0) *
             share(lambda_A, (l.unsqueeze(1) * q.unsqueeze(0)) * (lambda_B * s2));
      on_B = on_B * t.unsqueeze(1) *
             share(lambda_B, (t.unsqueeze(1) * u.unsqueeze(0)) * (lambda_A * s2));
    } else {
      const torch::Tensor sums = l.unsqueeze(1) + u.unsqueeze(0);
      const torch::Tensor d = torch::where(sums > of_P_.cutoff + of_Q_.cutoff,
                                           (sums * s2).reciprocal(), torch::zeros_like(sums));
      on_A = on_A * d;
      on_B = on_B * d;
    }
    if (options.gauge == Gauge::zero) {
      on_B = on_B + on_A;
      on_A = torch::zeros_like(on_A);
    } else if (options.gauge == Gauge::balanced) {
      const torch::Tensor dA_At = core_A * t.unsqueeze(1) + on_A * u.unsqueeze(0);
      const torch::Tensor Bt_dB = core_B * q.unsqueeze(0) + on_B * l.unsqueeze(1);
      const torch::Tensor shift = (dA_At * l.unsqueeze(1) - Bt_dB * u.unsqueeze(0)) *
                                  t.unsqueeze(1) * q.unsqueeze(0) * (-0.5 * s2 * s2);
      on_A = on_A + shift;
      on_B = on_B - shift;
    }
    return {(V * t).mm(V.t()).mm(grad.A) + V.mm(on_A).mm(U.t()).mm(A_),
            grad.B.mm((U * q).mm(U.t())) + B_.mm(V.mm(on_B).mm(U.t()))};
  }

  /// damped_norm of what the factors see of a direction: (s B^T H, s H A^T).
  torch::Tensor damped_norm(const TensorStep& seen, double scaling,
                            const AdjustOptions& options) const {
    const bool fixed_A = options.fixed_factor() == Side::A;
    const TensorSpectrum& of = fixed_A ? of_P_ : of_Q_;
    const torch::Tensor along = of.vectors.t().mm(fixed_A ? seen.A : seen.B.t()).square().sum(1);
    const torch::Tensor damped = of.values + of.largest * options.damping;
    return torch::where(damped > 0, along / damped, torch::zeros_like(along)).sum().sqrt() /
           std::abs(scaling);
  }

  /// What the factors see of a tangent vector T: (B^T T, T A^T).
  TensorStep image(const TensorStep& tangent) const { return image(tangent, *this); }
  /// The same of a vector at these factors, seen by others.
  TensorStep image(const TensorStep& tangent, const TensorPair& by) const {
    return {by.B_.t().mm(B_).mm(tangent.A) + by.B_.t().mm(tangent.B).mm(A_),
            B_.mm(tangent.A.mm(by.A_.t())) + tangent.B.mm(A_.mm(by.A_.t()))};
  }

  /// ||B dA + dB A||_F^2, without forming it.
  torch::Tensor squared_norm(const TensorStep& tangent) const {
    const torch::Tensor own_A = (B_.t().mm(B_) * tangent.A.mm(tangent.A.t())).sum();
    const torch::Tensor own_B = (A_.mm(A_.t()) * tangent.B.t().mm(tangent.B)).sum();
    const torch::Tensor mixed = (B_.t().mm(tangent.B) * tangent.A.mm(A_.t())).sum();
    return (own_A + own_B + mixed * 2).clamp_min(0);
  }

  /// What the factors see of the orthogonal factor of T, without singular values below 1e-5 of the
  /// largest: SpectralDirection, by two thin QR decompositions.
  TensorStep orthogonal_image(const TensorStep& tangent) const {
    const auto left = torch::linalg_qr(torch::cat({B_, tangent.B}, 1), "reduced");
    const auto right = torch::linalg_qr(torch::cat({tangent.A, A_}, 0).t(), "reduced");
    const torch::Tensor core = std::get<1>(left).mm(std::get<1>(right).t());
    const auto svd = torch::linalg_svd(core, /*full_matrices=*/false);
    const torch::Tensor& sigma = std::get<1>(svd);
    const torch::Tensor kept = (sigma > sigma.max().clamp_min(1e-140) * 1e-5).to(torch::kDouble);
    const torch::Tensor H_left = std::get<0>(left).mm(std::get<0>(svd) * kept);
    const torch::Tensor H_right = std::get<2>(svd).mm(std::get<0>(right).t());
    return {B_.t().mm(H_left).mm(H_right), H_left.mm(H_right.mm(A_.t()))};
  }

  torch::Tensor deficient() const { return of_P_.deficient().logical_or(of_Q_.deficient()); }
  const torch::Tensor& A() const { return A_; }
  const torch::Tensor& B() const { return B_; }

 private:
  torch::Tensor A_, B_;
  TensorSpectrum of_P_, of_Q_;  // of B^T B and of A A^T
};

}  // namespace detail
}  // namespace torch_adapter
LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// One LoRA pair with a full gradient that the library never sees, and a call of adjust_gradient.

#include <lorapro/adjust/adjust_gradient.hpp>

#include "support/random.hpp"
#include "support/reference.hpp"
#include "support/tolerance.hpp"

namespace support {

using lorapro::Index;
using lorapro::RowMatrix;

/// What the library gets, in the type T.
template <typename T>
struct Inputs {
  RowMatrix<T> A, B, grad_A, grad_B;
  double scaling;
};

/// (dA, dB) and the report.
template <typename Scalar>
struct Adjusted {
  RowMatrix<Scalar> A, B;
  lorapro::AdjustReport report;

  reference::Pair real() const { return {reference::real(A), reference::real(B)}; }
};

struct Problem {
  RealMatrix A, B, G;
  double scaling = 1;

  Problem() = default;
  Problem(RealMatrix a, RealMatrix b, RealMatrix g, double s)
      : A(std::move(a)), B(std::move(b)), G(std::move(g)), scaling(s) {}

  /// Singular values of A and B from 1 to 1 / condition.
  Problem(Random& random, Index out, Index in, Index rank, double s = 2, double condition_A = 3,
          double condition_B = 5)
      : A(random.conditioned(rank, in, condition_A)),
        B(random.conditioned(out, rank, condition_B)),
        G(random.matrix(out, in)),
        scaling(s) {}

  /// As the type T stores A and B; the gradients below are those of the rounded factors.
  template <typename T>
  Problem stored() const {
    return {reference::real(reference::rounded<T>(A)), reference::real(reference::rounded<T>(B)), G,
            scaling};
  }

  RealMatrix grad_A() const {
    return Real(scaling) * reference::product(reference::transposed(B), G);
  }
  RealMatrix grad_B() const {
    return Real(scaling) * reference::product(G, reference::transposed(A));
  }
  RealMatrix equivalent_gradient(const reference::Pair& d) const {
    return reference::equivalent_gradient(A, B, d, scaling);
  }
  RealMatrix tangent_projection(Real cutoff = 1e-15L) const {
    return reference::tangent_projection(A, B, G, cutoff);
  }
  reference::Lambdas lambda(double rho) const { return reference::dampings(A, B, scaling, rho); }

  template <typename T>
  Inputs<T> inputs() const {
    const Problem p = stored<T>();
    return {reference::rounded<T>(p.A), reference::rounded<T>(p.B),
            reference::rounded<T>(p.grad_A()), reference::rounded<T>(p.grad_B()), scaling};
  }
};

template <typename Scalar, typename T>
Adjusted<Scalar> adjusted(const Inputs<T>& in, const lorapro::AdjustOptions& options) {
  Adjusted<Scalar> out;
  out.A = RowMatrix<Scalar>::Constant(in.A.rows(), in.A.cols(), Scalar(-77));
  out.B = RowMatrix<Scalar>::Constant(in.B.rows(), in.B.cols(), Scalar(-77));
  out.report = lorapro::adjust_gradient(lorapro::lora_factors(in.A, in.B, in.scaling),
                                        lorapro::factor_pair(in.grad_A, in.grad_B),
                                        lorapro::factor_pair(out.A, out.B), options);
  return out;
}

template <typename Scalar, typename T>
Adjusted<Scalar> adjusted(const Inputs<T>& in, double damping = 0,
                          lorapro::Gauge gauge = lorapro::Gauge::sylvester) {
  lorapro::AdjustOptions options;
  options.damping = damping;
  options.gauge = gauge;
  return adjusted<Scalar>(in, options);
}

/// In double: what most tests of the mathematics use.
inline reference::Pair adjusted(const Problem& problem, double damping, lorapro::Gauge gauge) {
  return adjusted<double>(problem.inputs<double>(), damping, gauge).real();
}

constexpr lorapro::Gauge kGauges[] = {lorapro::Gauge::sylvester, lorapro::Gauge::balanced,
                                      lorapro::Gauge::zero};

}  // namespace support

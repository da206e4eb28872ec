// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adjust/gauge.hpp>

#include "support/lora_problem.hpp"

namespace {

using lorapro::Gauge;
using lorapro::Index;
using reference::Pair;
using reference::product;
using reference::Real;
using reference::RealMatrix;
using reference::transposed;
using support::adjusted;
using support::kGauges;
using support::norm;
using support::Problem;
using support::tolerance;

constexpr double kCondition = 5;
/// dim 13, the square of the condition; what double does to the problems below.
double double_tolerance(double size) {
  return tolerance<double>(2, 13, kCondition * kCondition, size);
}

Problem full_rank_problem(support::Random& random, double s) {
  return {random, 6, 7, 3, s, kCondition, 3};
}

/// P = B^T B, Q = A A^T, K = grad_A A^T.
struct Core {
  RealMatrix P, Q, K;
  explicit Core(const Problem& p)
      : P(product(transposed(p.B), p.B)),
        Q(product(p.A, transposed(p.A))),
        K(product(p.grad_A(), transposed(p.A))) {}
};

/// The shift X of theorem 2.1: dA = (1/s^2) P^-1 gA + X A.
RealMatrix shift_of_A(const Problem& p, const Pair& d) {
  const Real s = p.scaling;
  const RealMatrix unshifted = product(reference::pinv(Core(p).P), p.grad_A()) / (s * s);
  return product(RealMatrix(d.A - unshifted), reference::pinv(p.A));
}

TEST_CASE("both factors carry the same shift of theorem 2.1", "[gauge]") {
  LORAPRO_TEST_RANDOM(random, 201);
  for (const double s : {1.0, 2.0, 0.3})
    for (const Gauge gauge : kGauges) {
      CAPTURE(s, static_cast<int>(gauge));
      const Problem p = full_rank_problem(random, s);
      const Core core(p);
      const Pair d = adjusted(p, 0, gauge);
      const RealMatrix X = shift_of_A(p, d);
      const RealMatrix outside = p.grad_B() - product(reference::projector(p.B), p.grad_B());
      const RealMatrix expected =
          product(outside, reference::pinv(core.Q)) / (Real(s) * s) - product(p.B, X);
      CHECK(support::distance(d.B, expected) <= double_tolerance(norm(d)));
    }
}

TEST_CASE("[trap] Sylvester gauge: its own equation, with P on the left", "[gauge][trap]") {
  LORAPRO_TEST_RANDOM(random, 202);
  for (const double s : {1.0, 2.0, 0.3}) {
    CAPTURE(s);
    const Problem p = full_rank_problem(random, s);
    const Core core(p);
    const Pair d = adjusted(p, 0, Gauge::sylvester);
    const RealMatrix X = shift_of_A(p, d);
    const RealMatrix right = product(reference::pinv(core.P), core.K) / (-Real(s) * s);
    const auto residual = [&](const RealMatrix& left_matrix, const RealMatrix& right_matrix) {
      return norm(RealMatrix(product(left_matrix, X) + product(X, right_matrix) - right));
    };
    CHECK(residual(core.P, core.Q) <= double_tolerance(norm(right)));
    CHECK(residual(core.Q, core.P) > 0.01 * norm(right));  // the sides swapped do not pass
  }
}

TEST_CASE("Sylvester gauge has the minimum norm of all shifts", "[gauge]") {
  LORAPRO_TEST_RANDOM(random, 203);
  const Problem p = full_rank_problem(random, 2);
  const Pair d = adjusted(p, 0, Gauge::sylvester);
  // Stationarity: d/dX (||dA + X A||^2 + ||dB - B X||^2) = 2 (dA A^T - B^T dB) = 0.
  CHECK(support::distance(product(d.A, transposed(p.A)), product(transposed(p.B), d.B)) <=
        double_tolerance(norm(d)));
  for (int repeat = 0; repeat < 20; ++repeat) {
    const Pair other = reference::shifted(p.A, p.B, d, random.matrix(3, 3, 0.01));
    CHECK(norm(other) > norm(d));
  }
  CHECK(norm(adjusted(p, 0, Gauge::balanced)) > norm(d));
  CHECK(norm(adjusted(p, 0, Gauge::zero)) > norm(d));
}

TEST_CASE("[trap] balanced gauge: B dA and dB A are as close as a shift can bring them",
          "[gauge][trap]") {
  LORAPRO_TEST_RANDOM(random, 204);
  for (const double s : {1.0, 2.0, 0.3}) {
    CAPTURE(s);
    const Problem p = full_rank_problem(random, s);
    const Core core(p);
    const Pair d = adjusted(p, 0, Gauge::balanced);
    const auto imbalance = [&](const Pair& pair) {
      return RealMatrix(product(p.B, pair.A) - product(pair.B, p.A));
    };
    const RealMatrix D = imbalance(d);
    // Stationarity: d/dX ||D + 2 B X A||^2 = 4 B^T D A^T = 0.
    CHECK(norm(product(transposed(p.B), product(D, transposed(p.A)))) <=
          double_tolerance(norm(p.G)));
    for (int repeat = 0; repeat < 20; ++repeat)
      CHECK(norm(imbalance(reference::shifted(p.A, p.B, d, random.matrix(3, 3, 0.01)))) > norm(D));
    CHECK(norm(imbalance(adjusted(p, 0, Gauge::sylvester))) > norm(D));
    CHECK(norm(imbalance(adjusted(p, 0, Gauge::zero))) > norm(D));
    // X = -(1/2) (1/s^2) P^-1 K Q^-1, with Q inverted.
    const RealMatrix X =
        product(product(reference::pinv(core.P), core.K), reference::pinv(core.Q)) /
        (-2 * Real(s) * s);
    CHECK(support::distance(shift_of_A(p, d), X) <=
          tolerance<double>(2, 13, std::pow(kCondition, 3), norm(X)));
  }
}

TEST_CASE("damped balanced gauge is the ridge form of its objective", "[gauge]") {
  LORAPRO_TEST_RANDOM(random, 205);
  for (const double rho : {1e-3, 0.1, 2.0}) {
    CAPTURE(rho);
    const double s = 1.7;
    const Problem p = full_rank_problem(random, s);
    const Core core(p);
    const Real mu_A = p.lambda(rho).A / (Real(s) * s), mu_B = p.lambda(rho).B / (Real(s) * s);
    const Pair base = reference::least_squares(p.A, p.B, p.G, s, p.lambda(rho));
    const Pair d = adjusted(p, rho, Gauge::balanced);
    const RealMatrix D = product(p.B, base.A) - product(base.B, p.A);
    const RealMatrix left = core.P + mu_A * reference::identity(3);
    const RealMatrix right = core.Q + mu_B * reference::identity(3);
    const RealMatrix X = product(product(reference::pinv(left),
                                         product(transposed(p.B), product(D, transposed(p.A)))),
                                 reference::pinv(right)) /
                         -2;
    const Pair expected = reference::shifted(p.A, p.B, base, X);
    CHECK(support::distance(d.A, expected.A) <= double_tolerance(norm(expected)));
    CHECK(support::distance(d.B, expected.B) <= double_tolerance(norm(expected)));
    // It minimises ||D + 2 B X A||^2 + 4 (mu_A ||X A||^2 + mu_B ||B X||^2 + mu_A mu_B ||X||^2).
    const auto objective = [&](const RealMatrix& Y) {
      const RealMatrix YA = product(Y, p.A), BY = product(p.B, Y);
      const RealMatrix left_over = D + 2 * product(p.B, YA);
      return reference::dot(left_over, left_over) +
             4 * (mu_A * reference::dot(YA, YA) + mu_B * reference::dot(BY, BY) +
                  mu_A * mu_B * reference::dot(Y, Y));
    };
    const RealMatrix got = product(RealMatrix(d.A - base.A), reference::pinv(p.A));
    for (int repeat = 0; repeat < 10; ++repeat)
      CHECK(objective(got + random.matrix(3, 3, 0.001)) > objective(got));
  }
}

TEST_CASE("zero gauge: dA has no A term", "[gauge]") {
  LORAPRO_TEST_RANDOM(random, 206);
  for (const double rho : {0.0, 0.01, 1.0})
    for (const double s : {1.0, 2.0, 0.3}) {
      CAPTURE(rho, s);
      const Problem p = full_rank_problem(random, s);
      const Pair d = adjusted(p, rho, Gauge::zero);
      // (s^2 P + lambda_A) dA = grad_A.
      const RealMatrix system = Real(s) * s * Core(p).P + p.lambda(rho).A * reference::identity(3);
      CHECK(support::distance(product(system, d.A), p.grad_A()) <=
            double_tolerance(norm(p.grad_A())));
    }
}

// ---------------------------------------------------------------- the finite step

/// s (B - lr dB) (A - lr dA).
RealMatrix stepped(const Problem& p, const Pair& d, Real lr) {
  return Real(p.scaling) * product(RealMatrix(p.B - lr * d.B), RealMatrix(p.A - lr * d.A));
}

TEST_CASE("finite steps of the balanced and zero gauges do not depend on the factorisation",
          "[gauge]") {
  LORAPRO_TEST_RANDOM(random, 207);
  const Real lr = 0.5L;
  for (int repeat = 0; repeat < 3; ++repeat) {
    const Problem p = full_rank_problem(random, 2);
    const RealMatrix R = random.conditioned(3, 3, 4);
    const Problem q(product(reference::pinv(R), p.A), product(p.B, R), p.G, p.scaling);
    const auto difference = [&](Gauge gauge) {
      return support::distance(stepped(p, adjusted(p, 0, gauge), lr),
                               stepped(q, adjusted(q, 0, gauge), lr));
    };
    const double size = norm(stepped(p, adjusted(p, 0, Gauge::zero), lr));
    const double bound = tolerance<double>(2, 13, std::pow(4 * kCondition, 2), size);
    CHECK(difference(Gauge::balanced) <= bound);
    CHECK(difference(Gauge::zero) <= bound);
    // The Sylvester gauge is only invariant under orthogonal R.
    CHECK(difference(Gauge::sylvester) > 1e-3 * size);
  }
}

TEST_CASE("[trap] in a chain of updates both gradients belong to the old factors",
          "[gauge][trap]") {
  // W moves by -lr E to first order: with a B adjusted from an already updated A it would not.
  LORAPRO_TEST_RANDOM(random, 208);
  const Problem p = full_rank_problem(random, 2);
  const RealMatrix E = p.tangent_projection();
  const RealMatrix W = Real(p.scaling) * product(p.B, p.A);
  for (const Gauge gauge : kGauges) {
    CAPTURE(static_cast<int>(gauge));
    const Pair d = adjusted(p, 0, gauge);
    const auto remainder = [&](Real lr) {
      return norm(RealMatrix(stepped(p, d, lr) - W + lr * E));
    };
    // What remains is s lr^2 dB dA: quadratic in lr.
    const auto quadratic = norm(RealMatrix(Real(p.scaling) * product(d.B, d.A)));
    for (const Real lr : {0.1L, 0.01L, 0.001L})
      CHECK(remainder(lr) == Approx(quadratic * static_cast<double>(lr * lr)).epsilon(1e-6));
  }
}

// ---------------------------------------------------------------- the steps after B = 0

/// One step of B from 0, then ||lr dA|| / ||A|| of the next step, of the loss ||W - T||^2 / 2.
double second_jump(support::Random& random, Gauge gauge, double rho, Real lr, double told_lr = 0) {
  const Index m = 24, n = 20, r = 4;
  Problem p;
  p.A = random.matrix(r, n, 1 / std::sqrt(20.0));
  p.B = RealMatrix::Zero(m, r);
  p.scaling = 2;
  const RealMatrix T = random.matrix(m, n);
  const auto gradient = [&] { return RealMatrix(Real(p.scaling) * product(p.B, p.A) - T); };
  p.G = gradient();
  const auto adjusted_gradient = [&] {
    lorapro::AdjustOptions options;
    options.damping = rho;
    options.gauge = gauge;
    options.lr = told_lr;
    return adjusted<double>(p.inputs<double>(), options).real();
  };
  const Pair first = adjusted_gradient();
  CHECK(norm(first.A) == 0);
  p.B -= lr * first.B;
  p.G = gradient();
  return static_cast<double>(lr) * norm(adjusted_gradient().A) / norm(p.A);
}

TEST_CASE("the step after B = 0 moves A by its own size unless the rate is told", "[gauge]") {
  for (const Gauge gauge : kGauges)
    for (const Real lr : {1e-1L, 1e-2L, 1e-3L, 1e-4L, 1e-5L}) {
      CAPTURE(static_cast<int>(gauge), static_cast<double>(lr));
      const auto rate = static_cast<double>(lr);
      for (const double rho : {0.0, 0.1}) {
        LORAPRO_TEST_RANDOM(random, 209);
        const double unbounded = second_jump(random, gauge, rho, lr);
        CHECK(unbounded > 0.1);
        CHECK(unbounded < 10);
      }
      LORAPRO_TEST_RANDOM(random, 209);
      const double bounded = second_jump(random, gauge, 0.1, lr, rate);
      CHECK(bounded <= lorapro::AdjustOptions().max_relative_move);
      CHECK(bounded > 1e-4);
      // Undamped it is not bounded.
      support::Random again(209);
      CHECK(second_jump(again, gauge, 0, lr, rate) > 0.1);
    }
}

}  // namespace

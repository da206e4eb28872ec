// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adjust/adjust_gradient.hpp>
#include <lorapro/adjust/damping.hpp>

#include <vector>  // std::vector

#include "support/lora_problem.hpp"
#include "support/squares.hpp"

namespace {

using lorapro::AdjustOptions;
using lorapro::Dampings;
using lorapro::Gauge;
using lorapro::Index;
using lorapro::Side;
using reference::Pair;
using reference::product;
using reference::Real;
using reference::RealMatrix;
using reference::transposed;
using support::distance;
using support::kGauges;
using support::norm;
using support::Problem;
using support::tolerance;

/// The spectra of a problem's Gram matrices, concluded, and scratch.
struct SpectraOf {
  explicit SpectraOf(const Problem& p) : spectra(p.A.rows()), scratch(4096) {
    const auto Q = reference::rounded<double>(product(p.A, transposed(p.A)));
    const auto P = reference::rounded<double>(product(transposed(p.B), p.B));
    REQUIRE(spectra.compute(support::square(Q), support::square(P), 0x1.0p-52,
                            support::workspace(scratch)));
  }
  lorapro::SpectralPair spectra;
  std::vector<double> scratch;
};

/// (dA, dB) by the library's coefficients with these dampings.
Pair damped(const Problem& p, const Dampings& lambda, Gauge gauge) {
  SpectraOf of(p);
  const Index r = p.A.rows();
  lorapro::AdjustCoefficients c(r);
  const auto cross_A = reference::rounded<double>(product(p.grad_A(), transposed(p.A)));
  const auto cross_B = reference::rounded<double>(product(transposed(p.grad_B()), p.B));
  REQUIRE(c.compute(of.spectra, {support::square(cross_A), support::square(cross_B)},
                    {p.scaling, lambda, gauge, 1}, support::workspace(of.scratch)));
  return {product(support::real(c[Side::A].on_grad), p.grad_A()) +
              product(support::real(c[Side::A].on_factor), p.A),
          product(p.grad_B(), transposed(support::real(c[Side::B].on_grad))) +
              product(p.B, transposed(support::real(c[Side::B].on_factor)))};
}

/// A pair whose factors have sizes of their own.
Problem random_problem(support::Random& random) {
  const auto power = [&](double low, double high) {
    return std::pow(10.0, low + (high - low) * random.uniform());
  };
  Problem p(random, 7, 6, 3, power(-0.7, 0.7), 3, 5);
  p.A *= power(-1, 1);
  p.B *= power(-3, 1);
  return p;
}

TEST_CASE("two dampings solve the weighted dense least squares", "[damping]") {
  LORAPRO_TEST_RANDOM(random, 901);
  for (int trial = 0; trial < 60; ++trial) {
    const Problem p = random_problem(random);
    const double s2 = p.scaling * p.scaling;
    const double largest_P = std::pow(reference::svd(p.B).largest(), 2);
    const double largest_Q = std::pow(reference::svd(p.A).largest(), 2);
    const Dampings lambda{s2 * largest_P * std::pow(10.0, -2 + 4 * random.uniform()),
                          s2 * largest_Q * std::pow(10.0, -2 + 4 * random.uniform())};
    CAPTURE(trial, p.scaling, lambda.A, lambda.B);
    const Pair expected =
        reference::least_squares(p.A, p.B, p.G, p.scaling, {lambda.A, lambda.B}, 1e-19L);
    const Pair got = damped(p, lambda, Gauge::sylvester);
    CHECK(distance(got.A, expected.A) <= tolerance<double>(2, 13, 100, norm(expected.A)));
    CHECK(distance(got.B, expected.B) <= tolerance<double>(2, 13, 100, norm(expected.B)));
    // E is the same in every gauge.
    for (const Gauge gauge : {Gauge::balanced, Gauge::zero})
      CHECK(distance(p.equivalent_gradient(damped(p, lambda, gauge)), p.equivalent_gradient(got)) <=
            tolerance<double>(2, 13, 100, norm(p.G)));
  }
}

TEST_CASE("one damping may be zero, or far from the other", "[damping]") {
  LORAPRO_TEST_RANDOM(random, 902);
  const Problem p(random, 7, 6, 3, 2, 3, 5);
  for (const Dampings lambda : {Dampings{0, 0.5}, Dampings{0.5, 0}, Dampings{1e-150, 0.5},
                                Dampings{0.5, 1e-200}, Dampings{1e-170, 1e-180}}) {
    CAPTURE(lambda.A, lambda.B);
    const Pair d = damped(p, lambda, Gauge::sylvester);
    // (J^T J + diag(lambda)) d = J^T g.
    const RealMatrix E = p.equivalent_gradient(d);
    const Pair residual{2 * product(transposed(p.B), E) + Real(lambda.A) * d.A - p.grad_A(),
                        2 * product(E, transposed(p.A)) + Real(lambda.B) * d.B - p.grad_B()};
    CHECK(norm(residual) <= tolerance<double>(2, 13, 225, norm(Pair{p.grad_A(), p.grad_B()})));
  }
}

TEST_CASE("the fixed factor's move is bounded in every gauge", "[damping]") {
  LORAPRO_TEST_RANDOM(random, 903);
  double closest = 0;
  for (int trial = 0; trial < 100; ++trial)
    for (const Gauge gauge : kGauges)
      for (const Side free : lorapro::kSides) {
        const Problem p = random_problem(random);
        AdjustOptions options;
        options.damping = 0.1;
        options.gauge = gauge;
        options.lr = std::pow(10.0, -4 + 4 * random.uniform());
        options.max_relative_move = 0.05;
        options.free_factor = free;
        const auto in = p.inputs<double>();
        lorapro::RowMatrix<double> dA(3, 6), dB(7, 3);
        REQUIRE(lorapro::adjust_gradient(lorapro::lora_factors(in.A, in.B, in.scaling),
                                         lorapro::factor_pair(in.grad_A, in.grad_B),
                                         lorapro::factor_pair(dA, dB), options)
                    .usable());
        const double move = free == Side::B ? options.lr * dA.norm() / in.A.norm()
                                            : options.lr * dB.norm() / in.B.norm();
        CAPTURE(trial, static_cast<int>(gauge), static_cast<int>(free), options.lr, move);
        CHECK(move <= 0.05 * (1 + 1e-9));
        closest = std::max(closest, move);
      }
  CHECK(closest > 0.03);  // or the bound would hold for being far away
}

/// With s = 2, lr N = 0.03 and kappa = 0.05.
Dampings dampings(const lorapro::SpectralPair& spectra, double damping, Side free) {
  AdjustOptions options;
  options.damping = damping;
  options.free_factor = free;
  options.lr = 0.5;
  options.max_relative_move = 0.05;
  return scale_free_dampings(spectra, 2, options, 0.06);
}

TEST_CASE("dampings: relative parts, and the bound on the fixed factor", "[damping]") {
  LORAPRO_TEST_RANDOM(random, 904);
  const Problem p(random, 7, 6, 3, 2, 3, 5);
  const SpectraOf of(p);
  const double a2 = std::pow(norm(p.A), 2), b2 = std::pow(norm(p.B), 2);
  Dampings lambda = dampings(of.spectra, 0.1, Side::B);
  CHECK(lambda.A == Approx(0.1 * 4 + 0.3 * 0.3 / a2));  // the largest singular values are 1
  CHECK(lambda.B == Approx(0.1 * 4));
  lambda = dampings(of.spectra, 0.1, Side::A);
  CHECK(lambda.A == Approx(0.1 * 4));
  CHECK(lambda.B == Approx(0.1 * 4 + 0.3 * 0.3 / b2));
  lambda = dampings(of.spectra, 0, Side::B);
  CHECK((lambda.A == 0 && lambda.B == 0));
  // A fixed factor of zeros has no size to be kept to.
  Problem without = p;
  without.A.setZero();
  const SpectraOf empty(without);
  lambda = dampings(empty.spectra, 0.1, Side::B);
  CHECK(lambda.A == Approx(0.1 * 4));
  CHECK(lambda.B == 0);
}

TEST_CASE("[trap] the damped step follows every change of scale", "[damping][trap]") {
  // (s, A, B) -> (k s, a A, b B) with k a b = 1; powers of two: the same bits but for exponents.
  LORAPRO_TEST_RANDOM(random, 905);
  const Problem p(random, 7, 6, 3, 2, 3, 5);
  for (const Gauge gauge : kGauges)
    for (const Side free : lorapro::kSides)
      for (const int a : {-30, 0, 12})
        for (const int b : {-9, 0, 25}) {
          CAPTURE(static_cast<int>(gauge), static_cast<int>(free), a, b);
          AdjustOptions options;
          options.damping = 0.1;
          options.gauge = gauge;
          options.lr = 0.03;
          options.free_factor = free;
          const auto step = [&](const Problem& problem) {
            const auto in = problem.inputs<double>();
            lorapro::RowMatrix<double> dA(3, 6), dB(7, 3);
            REQUIRE(lorapro::adjust_gradient(lorapro::lora_factors(in.A, in.B, in.scaling),
                                             lorapro::factor_pair(in.grad_A, in.grad_B),
                                             lorapro::factor_pair(dA, dB), options)
                        .usable());
            return Pair{reference::real(dA), reference::real(dB)};
          };
          const Pair plain = step(p.stored<double>());
          const Problem other(std::ldexp(Real(1), a) * p.A, std::ldexp(Real(1), b) * p.B, p.G,
                              std::ldexp(2.0, -a - b));
          const Pair scaled = step(other.stored<double>());
          CHECK(
              distance(Pair{std::ldexp(Real(1), -a) * scaled.A, std::ldexp(Real(1), -b) * scaled.B},
                       plain) <= tolerance<double>(2, 13, 25, norm(plain)));
        }
}

TEST_CASE("what a factor sees of a direction tells its damped norm", "[damping]") {
  LORAPRO_TEST_RANDOM(random, 906);
  for (const Index rank : {1, 3, 8})
    for (const double rho : {1e-9, 0.1, 3.0}) {
      CAPTURE(rank, rho);
      const Problem p(random, 9, 11, rank, -0.5, 3, 5);
      SpectraOf of(p);
      const auto gram_A = reference::rounded<double>(product(p.grad_A(), transposed(p.grad_A())));
      const auto gram_B = reference::rounded<double>(product(transposed(p.grad_B()), p.grad_B()));
      // sum_i |u_i^T G|^2 sigma_i^2 / (sigma_i^2 + rho sigma_max^2) over the singular vectors u_i.
      const auto expected = [&](const RealMatrix& factor, const RealMatrix& G) {
        const reference::Svd svd = reference::svd(factor);
        Real sum = 0;
        for (std::size_t i = 0; i < svd.values.size(); ++i) {
          const RealMatrix along =
              product(transposed(RealMatrix(svd.U.col(static_cast<Index>(i)))), G);
          const Real value = svd.values[i] * svd.values[i];
          sum +=
              reference::dot(along, along) * value / (value + rho * svd.largest() * svd.largest());
        }
        return static_cast<double>(std::sqrt(sum));
      };
      const double norm_A = lorapro::damped_norm(support::square(gram_A), of.spectra.P(), p.scaling,
                                                 rho, support::workspace(of.scratch));
      const double norm_B = lorapro::damped_norm(support::square(gram_B), of.spectra.Q(), p.scaling,
                                                 rho, support::workspace(of.scratch));
      CHECK(norm_A == Approx(expected(p.B, p.G)));
      CHECK(norm_B == Approx(expected(transposed(p.A), transposed(p.G))));
      CHECK(norm_A <= norm(product(reference::projector(p.B), p.G)) * (1 + 1e-12));
      if (rho < 1e-8)
        CHECK(norm_B == Approx(norm(product(p.G, reference::projector(transposed(p.A))))));
    }
}

}  // namespace

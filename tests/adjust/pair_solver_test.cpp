// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adjust/pair_solver.hpp>

#include <limits>  // std::numeric_limits

#include "support/lora_problem.hpp"
#include "support/squares.hpp"

namespace {

using lorapro::AdjustOptions;
using lorapro::AdjustReport;
using lorapro::AdjustStatus;
using lorapro::Gauge;
using lorapro::Index;
using lorapro::PairSolver;
using lorapro::Side;
using reference::Pair;
using reference::product;
using reference::Real;
using reference::RealMatrix;
using reference::transposed;
using support::Inputs;
using support::kGauges;
using support::norm;
using support::Problem;
using support::tolerance;

template <typename T>
lorapro::Pair factors(const Inputs<T>& in) {
  lorapro::Pair pair;
  pair.A.value = lorapro::factor_of_A(lorapro::make_view(in.A));
  pair.A.grad = lorapro::factor_of_A(lorapro::make_view(in.grad_A));
  pair.B.value = lorapro::factor_of_B(lorapro::make_view(in.B));
  pair.B.grad = lorapro::factor_of_B(lorapro::make_view(in.grad_B));
  pair.scaling = in.scaling;
  return pair;
}

struct Solved {
  PairSolver solver;
  std::vector<double> scratch;
  AdjustReport report;

  template <typename T>
  Solved(const Inputs<T>& in, const AdjustOptions& options, double grad_scale = 1,
         bool with_norm = true)
      : solver(in.A.rows()),
        scratch(static_cast<std::size_t>(PairSolver::scratch_size(in.A.rows()))),
        report(solver.solve(factors(in), options, grad_scale, with_norm,
                            support::workspace(scratch))) {}

  /// dA and dB of the coefficients, in long double.
  template <typename T>
  Pair steps(const Inputs<T>& in) const {
    const auto on_A = solver.coefficients()[Side::A], on_B = solver.coefficients()[Side::B];
    return {product(support::real(on_A.on_grad), reference::real(in.grad_A)) +
                product(support::real(on_A.on_factor), reference::real(in.A)),
            product(reference::real(in.grad_B), transposed(support::real(on_B.on_grad))) +
                product(reference::real(in.B), transposed(support::real(on_B.on_factor)))};
  }
};

AdjustOptions options(double damping, Gauge gauge) {
  AdjustOptions out;
  out.damping = damping;
  out.gauge = gauge;
  return out;
}

TEST_CASE("solve: coefficients, norms and bounds of a pair", "[pair_solver]") {
  LORAPRO_TEST_RANDOM(random, 501);
  for (const double rho : {0.0, 0.1})
    for (const Gauge gauge : kGauges)
      for (const Index rank : {1, 3, 6}) {
        CAPTURE(rho, static_cast<int>(gauge), rank);
        const Problem p(random, 9, 270, rank, 1.5);
        const Inputs<double> in = p.inputs<double>();
        Solved solved(in, options(rho, gauge));
        REQUIRE(solved.report.status == AdjustStatus::ok);
        const Pair d = solved.steps(in);
        const double E = norm(p.equivalent_gradient(d));
        CHECK(solved.solver.equivalent_squared_norm(1.5, support::workspace(solved.scratch)) ==
              Approx(E * E).epsilon(tolerance<double>(1, 280, 25, 1)));
        if (rho == 0)
          CHECK(E ==
                Approx(norm(p.tangent_projection())).epsilon(tolerance<double>(1, 280, 25, 1)));
        const double adapter = std::pow(norm(p.grad_A()), 2) + std::pow(norm(p.grad_B()), 2);
        CHECK(solved.solver.adapter_squared_norm() ==
              Approx(adapter).epsilon(tolerance<double>(1, 280, 1, 1)));
        // Upper bounds, and not absurd ones.
        const double rounded_down = 1 - tolerance<double>(1, 280, 1, 1);  // attained at rank 1
        CHECK(solved.solver.bound(Side::A) >= rounded_down * norm(d.A));
        CHECK(solved.solver.bound(Side::B) >= rounded_down * norm(d.B));
        CHECK(solved.solver.bound(Side::A) <= 1000 * norm(d.A));
        CHECK(solved.solver.factor_norm(Side::A) ==
              Approx(norm(p.A)).epsilon(tolerance<double>(1, 280, 1, 1)));
        CHECK(solved.solver.factor_norm(Side::B) ==
              Approx(norm(p.B)).epsilon(tolerance<double>(1, 280, 1, 1)));
      }
}

TEST_CASE("grad_scale undoes a loss scale", "[pair_solver]") {
  LORAPRO_TEST_RANDOM(random, 502);
  const Problem p(random, 9, 8, 3);
  const Problem scaled(p.A, p.B, 1024 * p.G, p.scaling);
  const Inputs<double> in = p.inputs<double>(), large = scaled.inputs<double>();
  for (const Gauge gauge : kGauges) {
    Solved plain(in, options(0.1, gauge)), unscaled(large, options(0.1, gauge), 1.0 / 1024);
    const Pair a = plain.steps(in), b = unscaled.steps(large);
    // Powers of two: the same bits.
    CHECK(support::distance(a.A, b.A) == 0);
    CHECK(support::distance(a.B, b.B) == 0);
    CHECK(plain.solver.adapter_squared_norm() == unscaled.solver.adapter_squared_norm());
    CHECK(plain.solver.bound(Side::A) == unscaled.solver.bound(Side::A));
    const double norm_a =
        plain.solver.equivalent_squared_norm(2, support::workspace(plain.scratch));
    const double norm_b =
        unscaled.solver.equivalent_squared_norm(2, support::workspace(unscaled.scratch));
    // Gram matrices of the gradients do not carry grad_scale, the coefficients do.
    CHECK(norm_a == Approx(norm_b).epsilon(tolerance<double>(1, 17, 25, 1)));
  }
}

TEST_CASE("without the norm the coefficients are the same", "[pair_solver]") {
  LORAPRO_TEST_RANDOM(random, 503);
  const Inputs<float> in = Problem(random, 9, 300, 3).inputs<float>();
  const Solved with(in, options(0.1, Gauge::balanced)),
      without(in, options(0.1, Gauge::balanced), 1, false);
  CHECK(support::distance(with.steps(in).A, without.steps(in).A) == 0);
  CHECK(support::distance(with.steps(in).B, without.steps(in).B) == 0);
  CHECK(without.solver.adapter_squared_norm() ==
        Approx(with.solver.adapter_squared_norm()).epsilon(tolerance<double>(1, 300, 1, 1)));
}

TEST_CASE("project: other gradients of the same factors", "[pair_solver]") {
  LORAPRO_TEST_RANDOM(random, 504);
  const Problem p(random, 9, 8, 3), q(p.A, p.B, random.matrix(9, 8), p.scaling);
  for (const Gauge gauge : kGauges) {
    Solved solved(p.inputs<double>(), options(0.1, gauge));
    const Inputs<double> other = q.inputs<double>();
    const auto cross_A = reference::rounded<double>(
        product(reference::real(other.grad_A), transposed(reference::real(other.A))));
    const auto cross_B = reference::rounded<double>(
        product(transposed(reference::real(other.grad_B)), reference::real(other.B)));
    copy(solved.solver.cross(Side::A), support::square(cross_A));
    copy(solved.solver.cross(Side::B), support::square(cross_B));
    REQUIRE(
        solved.solver.project(2, options(0.1, gauge), 0, 1, support::workspace(solved.scratch)));
    const Pair expected = support::adjusted(q, 0.1, gauge), got = solved.steps(other);
    CHECK(support::distance(got.A, expected.A) <= tolerance<double>(2, 17, 25, norm(expected.A)));
    CHECK(support::distance(got.B, expected.B) <= tolerance<double>(2, 17, 25, norm(expected.B)));
  }
}

TEST_CASE("the coarsest type sets the cutoffs", "[pair_solver]") {
  LORAPRO_TEST_RANDOM(random, 505);
  const Problem p(random, 9, 8, 3);
  const Inputs<float> in = p.inputs<float>();
  CHECK(factors(in).storage_eps() == lorapro::storage_epsilon<float>());
  const auto coarse = reference::rounded<lorapro::half>(p.A);
  const auto coarser = reference::rounded<lorapro::bfloat16>(p.grad_B());
  lorapro::Pair mixed = factors(in);
  mixed.A.value = lorapro::factor_of_A(lorapro::make_view(coarse));
  CHECK(mixed.storage_eps() == 0x1.0p-10);
  mixed.B.grad = lorapro::factor_of_B(lorapro::make_view(coarser));
  CHECK(mixed.storage_eps() == 0x1.0p-7);
}

TEST_CASE("statuses of a pair", "[pair_solver]") {
  LORAPRO_TEST_RANDOM(random, 506);
  const AdjustOptions plain;
  const Problem p(random, 9, 8, 3);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (int place = 0; place < 4; ++place) {
    CAPTURE(place);
    Inputs<double> in = p.inputs<double>();
    lorapro::RowMatrix<double>* const matrices[] = {&in.A, &in.B, &in.grad_A, &in.grad_B};
    (*matrices[place])(2, 1) = nan;
    CHECK(Solved(in, plain).report.status == AdjustStatus::non_finite);
    CHECK(Solved(in, plain, 1, false).report.status == AdjustStatus::non_finite);
  }
  Problem lost = p;
  lost.B.col(1) = lost.B.col(2);
  CHECK(Solved(lost.inputs<double>(), plain).report.status == AdjustStatus::rank_deficient);
  const Problem tiny(1e-160L * p.A, 1e-160L * p.B, 1e170L * p.G, p.scaling);
  CHECK(Solved(tiny.inputs<double>(), plain).report.status != AdjustStatus::ok);
  CHECK(Solved(p.inputs<double>(), plain).report.status == AdjustStatus::ok);
}

}  // namespace

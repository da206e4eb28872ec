// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adjust/coefficients.hpp>

#include <Eigen/QR>  // CompleteOrthogonalDecomposition
#include <tuple>     // std::tuple
#include <vector>    // std::vector

#include "support/lora_problem.hpp"
#include "support/squares.hpp"

namespace {

using lorapro::Gauge;
using lorapro::Index;
using lorapro::Side;
using reference::Pair;
using reference::product;
using reference::Real;
using reference::RealMatrix;
using reference::transposed;
using support::adjusted;
using support::distance;
using support::kGauges;
using support::norm;
using support::Problem;
using support::tolerance;

struct Shape {
  Index out, in, rank;
};
// The last three: the rank equals a side, exceeds one, exceeds both.
constexpr Shape kShapes[] = {{6, 5, 2}, {5, 7, 3}, {7, 4, 1}, {4, 6, 4}, {3, 5, 4}, {3, 4, 6}};
// rsLoRA with alpha = 16 and rank 3 among them.
constexpr double kScalings[] = {1, 2, 0.25, 9.237604307034013, -0.5};

/// Condition of the factors of the problems below, and what double makes of its square, or of the
/// damping where a factor has lost rank and the damping is all that is inverted.
constexpr double kConditionA = 3, kConditionB = 5;
double double_tolerance(const Shape& shape, double size, double rho = 0) {
  const bool deficient = rho > 0 && shape.rank > std::min(shape.out, shape.in);
  return tolerance<double>(2, static_cast<double>(shape.out + shape.in),
                           deficient ? (1 + rho) / rho : kConditionB * kConditionB, size);
}

// ---------------------------------------------------------------- oracles

TEST_CASE("undamped Sylvester gauge is the minimum-norm dense least-squares solution",
          "[coefficients]") {
  LORAPRO_TEST_RANDOM(random, 101);
  for (const Shape& shape : kShapes)
    for (const double s : kScalings) {
      CAPTURE(shape.out, shape.in, shape.rank, s);
      const Problem problem(random, shape.out, shape.in, shape.rank, s, kConditionA, kConditionB);
      const Pair expected = reference::least_squares(problem.A, problem.B, problem.G, s);
      const Pair got = adjusted(problem, 0, Gauge::sylvester);
      CHECK(distance(got, expected) <= double_tolerance(shape, norm(expected)));
    }
}

TEST_CASE("undamped Sylvester gauge agrees with Eigen's dense solver", "[coefficients]") {
  LORAPRO_TEST_RANDOM(random, 102);
  for (const Shape& shape : kShapes) {
    CAPTURE(shape.out, shape.in, shape.rank);
    const Problem problem(random, shape.out, shape.in, shape.rank, 1.5, kConditionA, kConditionB);
    const Eigen::MatrixXd J =
        reference::rounded<double>(reference::jacobian(problem.A, problem.B, 1.5));
    const auto G = reference::rounded<double>(problem.G);
    Eigen::CompleteOrthogonalDecomposition<Eigen::MatrixXd> solver(J.rows(), J.cols());
    solver.setThreshold(1e-12);
    solver.compute(J);
    const Eigen::VectorXd d = solver.solve(Eigen::Map<const Eigen::VectorXd>(G.data(), G.size()));
    const Pair got = adjusted(problem, 0, Gauge::sylvester);
    const Eigen::Map<const lorapro::RowMatrix<double>> dA(d.data(), shape.rank, shape.in);
    const Eigen::Map<const lorapro::RowMatrix<double>> dB(d.data() + dA.size(), shape.out,
                                                          shape.rank);
    CHECK(distance(got, {reference::real(dA), reference::real(dB)}) <=
          double_tolerance(shape, d.norm()));
  }
}

TEST_CASE("damped Sylvester gauge solves the damped dense least squares", "[coefficients]") {
  LORAPRO_TEST_RANDOM(random, 103);
  for (const Shape& shape : kShapes)
    for (const double rho : {1e-4, 0.1, 3.0}) {
      const double s = kScalings[static_cast<std::size_t>(shape.rank) % 5];
      CAPTURE(shape.out, shape.in, shape.rank, s, rho);
      const Problem problem(random, shape.out, shape.in, shape.rank, s, kConditionA, kConditionB);
      const reference::Lambdas lambda = problem.lambda(rho);
      const Pair expected = reference::least_squares(problem.A, problem.B, problem.G, s, lambda);
      const Pair got = adjusted(problem, rho, Gauge::sylvester);
      CHECK(distance(got, expected) <= double_tolerance(shape, norm(expected), rho));

      // (J^T J + diag(lambda_A, lambda_B)) d = J^T g, where J^T g is what backpropagation returns.
      const RealMatrix E = problem.equivalent_gradient(got);
      const RealMatrix residual_A =
          Real(s) * product(transposed(problem.B), E) + lambda.A * got.A - problem.grad_A();
      const RealMatrix residual_B =
          Real(s) * product(E, transposed(problem.A)) + lambda.B * got.B - problem.grad_B();
      CHECK(norm(Pair{residual_A, residual_B}) <=
            double_tolerance(shape, norm(Pair{problem.grad_A(), problem.grad_B()}), rho));
    }
}

TEST_CASE("every undamped gauge projects G on the tangent space", "[coefficients]") {
  LORAPRO_TEST_RANDOM(random, 104);
  for (const Shape& shape : kShapes)
    for (const double s : kScalings)
      for (const Gauge gauge : kGauges) {
        CAPTURE(shape.out, shape.in, shape.rank, s, static_cast<int>(gauge));
        const Problem problem(random, shape.out, shape.in, shape.rank, s, kConditionA, kConditionB);
        const RealMatrix E = problem.equivalent_gradient(adjusted(problem, 0, gauge));
        CHECK(distance(E, problem.tangent_projection()) <=
              double_tolerance(shape, norm(problem.G)));
        // A rank of the shorter side leaves nothing out.
        if (shape.rank >= std::min(shape.out, shape.in))
          CHECK(distance(E, problem.G) <= double_tolerance(shape, norm(problem.G)));
      }
}

TEST_CASE("the damped equivalent gradient is the same in every gauge", "[coefficients]") {
  LORAPRO_TEST_RANDOM(random, 105);
  for (const Shape& shape : kShapes)
    for (const double rho : {1e-3, 0.1}) {
      CAPTURE(shape.out, shape.in, shape.rank, rho);
      const Problem problem(random, shape.out, shape.in, shape.rank, 2, kConditionA, kConditionB);
      const RealMatrix E = problem.equivalent_gradient(adjusted(problem, rho, Gauge::sylvester));
      CHECK(norm(E) < norm(problem.tangent_projection()));  // damping shrinks
      for (const Gauge gauge : {Gauge::balanced, Gauge::zero})
        CHECK(distance(problem.equivalent_gradient(adjusted(problem, rho, gauge)), E) <=
              double_tolerance(shape, norm(problem.G), rho));
    }
}

TEST_CASE("first-order decrease of the loss", "[coefficients]") {
  LORAPRO_TEST_RANDOM(random, 106);
  const auto decrease = [](const Problem& problem, const Pair& d) {
    return static_cast<double>(reference::dot(problem.grad_A(), d.A) +
                               reference::dot(problem.grad_B(), d.B));
  };
  for (const Shape& shape : kShapes) {
    CAPTURE(shape.out, shape.in, shape.rank);
    const Problem problem(random, shape.out, shape.in, shape.rank, 2, kConditionA, kConditionB);
    const double size = norm(problem.G) * norm(problem.G);
    for (const Gauge gauge : kGauges) {
      const Pair d = adjusted(problem, 0, gauge);
      const double squared = std::pow(norm(problem.equivalent_gradient(d)), 2);
      CHECK(std::abs(decrease(problem, d) - squared) <= double_tolerance(shape, size));
      CHECK(squared > 0.1 * size);
    }
    for (const double rho : {1e-3, 0.1, 10.0}) {
      const Pair d = adjusted(problem, rho, Gauge::sylvester);
      const double expected = std::pow(norm(problem.equivalent_gradient(d)), 2) +
                              static_cast<double>(problem.lambda(rho).A) * std::pow(norm(d.A), 2) +
                              static_cast<double>(problem.lambda(rho).B) * std::pow(norm(d.B), 2);
      CHECK(std::abs(decrease(problem, d) - expected) <= double_tolerance(shape, size, rho));
    }
  }
}

// ---------------------------------------------------------------- invariances

TEST_CASE("[trap] the equivalent gradient does not depend on the scaling", "[coefficients][trap]") {
  LORAPRO_TEST_RANDOM(random, 111);
  const Shape shape{6, 7, 3};
  for (const double rho : {0.0, 0.1})
    for (const Gauge gauge : kGauges) {
      Problem problem(random, shape.out, shape.in, shape.rank, 1, kConditionA, kConditionB);
      const RealMatrix E = problem.equivalent_gradient(adjusted(problem, rho, gauge));
      for (const double s : kScalings) {
        CAPTURE(rho, static_cast<int>(gauge), s);
        problem.scaling = s;
        CHECK(distance(problem.equivalent_gradient(adjusted(problem, rho, gauge)), E) <=
              double_tolerance(shape, norm(problem.G)));
      }
    }
}

TEST_CASE("the undamped equivalent gradient does not depend on the factorisation",
          "[coefficients]") {
  LORAPRO_TEST_RANDOM(random, 112);
  const Shape shape{6, 7, 3};
  for (const Gauge gauge : kGauges) {
    CAPTURE(static_cast<int>(gauge));
    const Problem problem(random, shape.out, shape.in, shape.rank, 2, kConditionA, kConditionB);
    const RealMatrix R = random.conditioned(3, 3, 4);
    const Problem other(product(reference::pinv(R), problem.A), product(problem.B, R), problem.G,
                        problem.scaling);
    const RealMatrix E = problem.equivalent_gradient(adjusted(problem, 0, gauge));
    const RealMatrix other_E = other.equivalent_gradient(adjusted(other, 0, gauge));
    // cond(B R) <= 20.
    CHECK(distance(E, other_E) <= tolerance<double>(2, 13, 400, norm(problem.G)));
    // Damping breaks it, but for scales, as documented.
    CHECK(distance(problem.equivalent_gradient(adjusted(problem, 0.1, gauge)),
                   other.equivalent_gradient(adjusted(other, 0.1, gauge))) >
          1e-3 * norm(problem.G));
  }
}

TEST_CASE("every gauge, damped or not, turns with an orthogonal change of factors",
          "[coefficients]") {
  LORAPRO_TEST_RANDOM(random, 113);
  const Shape shape{6, 7, 3};
  for (const double rho : {0.0, 0.01, 1.0})
    for (const Gauge gauge : kGauges) {
      CAPTURE(rho, static_cast<int>(gauge));
      const Problem problem(random, shape.out, shape.in, shape.rank, 2, kConditionA, kConditionB);
      const RealMatrix R = random.orthonormal(3, 3);
      const Problem turned(product(transposed(R), problem.A), product(problem.B, R), problem.G,
                           problem.scaling);
      const Pair d = adjusted(problem, rho, gauge);
      const Pair expected{product(transposed(R), d.A), product(d.B, R)};
      CHECK(distance(adjusted(turned, rho, gauge), expected) <= double_tolerance(shape, norm(d)));
    }
}

TEST_CASE("[trap] damping is relative: a common scale of the factors changes nothing",
          "[coefficients][trap]") {
  // An absolute 1e-8 would act at the small scales and not at the large ones.
  LORAPRO_TEST_RANDOM(random, 114);
  const Problem problem(random, 6, 7, 3, 2, kConditionA, kConditionB);
  for (const double rho : {0.0, 1e-3, 0.1})
    for (const Gauge gauge : kGauges) {
      const Pair d = adjusted(problem, rho, gauge);
      for (const int exponent : {-40, -14, 14, 40}) {
        CAPTURE(rho, static_cast<int>(gauge), exponent);
        const Real c = std::ldexp(Real(1), exponent);
        const Problem scaled(c * problem.A, c * problem.B, problem.G, problem.scaling);
        // Powers of two: the same bits but for the exponent.
        const Pair got = adjusted(scaled, rho, gauge);
        CHECK(distance({c * got.A, c * got.B}, d) == 0);
      }
    }
}

std::vector<std::tuple<Gauge, double, double>> scaled_gauges() {
  std::vector<std::tuple<Gauge, double, double>> out;
  for (const Gauge gauge : kGauges)
    for (const double c : {1e-7, 1e-3, 1e5})
      for (const double d : {1e-6, 1e4}) out.emplace_back(gauge, c, d);
  return out;
}

TEST_CASE("[trap] B and A may have any scales of their own", "[coefficients][trap]") {
  LORAPRO_TEST_RANDOM(random, 115);
  const Shape shape{6, 7, 3};
  const Problem problem(random, shape.out, shape.in, shape.rank, 2, kConditionA, kConditionB);
  for (const double rho : {0.0, 0.1, 2.0})
    for (const auto& [gauge, c, d] : scaled_gauges()) {
      CAPTURE(rho, static_cast<int>(gauge), c, d);
      const RealMatrix E = problem.equivalent_gradient(adjusted(problem, rho, gauge));
      const Problem scaled(Real(d) * problem.A, Real(c) * problem.B, problem.G, problem.scaling);
      const Pair got = adjusted(scaled, rho, gauge);
      CHECK(distance(scaled.equivalent_gradient(got), E) <=
            double_tolerance(shape, norm(problem.G)));
      // The undamped Sylvester gauge is that of least norm, which the scales change.
      if (gauge == Gauge::sylvester && rho == 0) continue;
      // dA goes as 1 / c and dB as 1 / d.
      const Pair unscaled = adjusted(problem, rho, gauge);
      CHECK(distance({Real(c) * got.A, Real(d) * got.B}, unscaled) <=
            double_tolerance(shape, norm(unscaled)));
    }
}

TEST_CASE("the adjustment is linear in the gradient", "[coefficients]") {
  LORAPRO_TEST_RANDOM(random, 116);
  const Problem problem(random, 6, 7, 3, 2, kConditionA, kConditionB);
  for (const double rho : {0.0, 0.1})
    for (const Gauge gauge : kGauges) {
      const Pair d = adjusted(problem, rho, gauge);
      const Problem small(problem.A, problem.B, 0x1.0p-90L * problem.G, problem.scaling);
      const Pair got = adjusted(small, rho, gauge);
      CHECK(distance({0x1.0p90L * got.A, 0x1.0p90L * got.B}, d) == 0);
    }
}

// ---------------------------------------------------------------- lost rank

TEST_CASE("B = 0, A = 0, both 0", "[coefficients]") {
  LORAPRO_TEST_RANDOM(random, 121);
  const Shape shape{6, 7, 3};
  for (const double rho : {0.0, 0.1})
    for (const Gauge gauge : kGauges) {
      CAPTURE(rho, static_cast<int>(gauge));
      Problem problem(random, shape.out, shape.in, shape.rank, 2, kConditionA, kConditionB);
      problem.B.setZero();
      const Pair at_start = adjusted(problem, rho, gauge);
      CHECK(norm(at_start.A) == 0);
      // dB = gB (s^2 Q + lambda_B)^-1, which is the damped dense solution in any gauge.
      const Pair expected =
          reference::least_squares(problem.A, problem.B, problem.G, 2, problem.lambda(rho));
      CHECK(distance(at_start.B, expected.B) <= double_tolerance(shape, norm(expected)));

      problem.B = random.conditioned(shape.out, shape.rank, kConditionB);
      problem.A.setZero();
      const Pair without_A = adjusted(problem, rho, gauge);
      const Pair expected_A =
          reference::least_squares(problem.A, problem.B, problem.G, 2, problem.lambda(rho));
      CHECK(norm(without_A.B) == 0);
      CHECK(distance(without_A.A, expected_A.A) <= double_tolerance(shape, norm(expected_A)));

      problem.B.setZero();
      CHECK(norm(adjusted(problem, rho, gauge)) == 0);
    }
}

TEST_CASE("equal columns of B and rows of A", "[coefficients]") {
  LORAPRO_TEST_RANDOM(random, 122);
  for (const double rho : {0.0, 0.1}) {
    CAPTURE(rho);
    Problem problem(random, 6, 7, 3, 2, kConditionA, kConditionB);
    problem.B.col(2) = problem.B.col(0);
    problem.A.row(1) = problem.A.row(0);
    const Pair expected =
        reference::least_squares(problem.A, problem.B, problem.G, 2, problem.lambda(rho), 1e-12L);
    CHECK(distance(adjusted(problem, rho, Gauge::sylvester), expected) <=
          tolerance<double>(2, 13, 400, norm(expected)));
    const RealMatrix E = problem.equivalent_gradient(expected);
    for (const Gauge gauge : kGauges)
      CHECK(distance(problem.equivalent_gradient(adjusted(problem, rho, gauge)), E) <=
            tolerance<double>(2, 13, 400, norm(problem.G)));
  }
}

TEST_CASE("a B of rank one at rank 32", "[coefficients]") {
  // B^T B is then a constant matrix, whose tridiagonal form ends in denormals.
  LORAPRO_TEST_RANDOM(random, 125);
  Problem problem(random, 40, 36, 32, 0.5, kConditionA, kConditionB);
  for (const Real value : {0.1L, 0.7L, -1.0L / 3}) {
    problem.B.setConstant(value);
    problem = problem.stored<double>();
    for (const Gauge gauge : kGauges) {
      const auto d = adjusted<double>(problem.inputs<double>(), 0, gauge);
      CHECK(d.report.status == lorapro::AdjustStatus::rank_deficient);
      CHECK(d.report.rank_B == 1);
      CHECK(distance(problem.equivalent_gradient(d.real()), problem.tangent_projection(1e-10L)) <=
            tolerance<double>(2, 76, kConditionA * kConditionA, norm(problem.G)));
    }
  }
}

TEST_CASE("beyond the cutoff the answer is the rank-truncated projection", "[coefficients]") {
  LORAPRO_TEST_RANDOM(random, 123);
  for (const Real gone : {1e-9L, 1e-11L, 1e-14L, 0.0L})
    for (const Gauge gauge : kGauges) {
      CAPTURE(static_cast<double>(gone), static_cast<int>(gauge));
      Problem problem(random, 8, 9, 4, 2, kConditionA, kConditionB);
      problem.B = random.with_singular_values(8, 4, {1, 0.5, 0.1, gone});
      problem = problem.stored<double>();
      const Pair d = adjusted(problem, 0, gauge);
      CHECK(distance(problem.equivalent_gradient(d), problem.tangent_projection(1e-8L)) <=
            tolerance<double>(2, 17, 100, norm(problem.G)));
      problem = Problem(transposed(problem.B), transposed(problem.A), transposed(problem.G), 2);
      const Pair flipped = adjusted(problem, 0, gauge);
      CHECK(distance(problem.equivalent_gradient(flipped), problem.tangent_projection(1e-8L)) <=
            tolerance<double>(2, 17, 100, norm(problem.G)));
    }
}

TEST_CASE("no condition number makes the answer blow up", "[coefficients]") {
  LORAPRO_TEST_RANDOM(random, 124);
  for (double condition = 1e6; condition < 1e17; condition *= 7)
    for (const Gauge gauge : kGauges) {
      CAPTURE(condition, static_cast<int>(gauge));
      const Problem problem = Problem(random, 8, 9, 4, 2, condition, condition).stored<double>();
      const Pair d = adjusted(problem, 0, gauge);
      const double length = norm(problem.equivalent_gradient(d));
      // A projection is not longer than G, and it keeps at least what the leading directions hold.
      CHECK(length <= 1.5 * norm(problem.G));
      CHECK(length >= 0.9 * norm(problem.tangent_projection(1e-3L)));
      // Never below -sqrt(cutoff): no direction is divided by less than the cutoff.
      CHECK(norm(d) <= norm(problem.G) / std::sqrt(2.3e-16));
    }
}

// ---------------------------------------------------------------- the class itself

/// Coefficients from given products, combined in long double.
struct Direct {
  lorapro::AdjustCoefficients coefficients;
  bool ok;

  Direct(const RealMatrix& A, const RealMatrix& B, const RealMatrix& cross_A,
         const RealMatrix& cross_B, double s, double rho, Gauge gauge, double grad_scale = 1,
         const lorapro::Dampings& limit = {1, 1})
      : coefficients(A.rows()) {
    const Index r = A.rows();
    lorapro::SpectralPair spectra(r);
    auto Q = reference::rounded<double>(product(A, transposed(A)));
    auto P = reference::rounded<double>(product(transposed(B), B));
    std::vector<double> scratch(static_cast<std::size_t>(std::max(
        lorapro::SpectralPair::scratch_size(r), lorapro::AdjustCoefficients::scratch_size(r))));
    REQUIRE(
        spectra.compute(support::square(Q), support::square(P), 0, support::workspace(scratch)));
    const auto a = reference::rounded<double>(cross_A), b = reference::rounded<double>(cross_B);
    lorapro::AdjustOptions options;
    options.damping = rho;
    const lorapro::Dampings lambda = lorapro::scale_free_dampings(spectra, s, options, 0);
    ok = coefficients.compute(spectra, {support::square(a), support::square(b)},
                              {s, lambda, gauge, grad_scale, limit}, support::workspace(scratch));
  }

  Pair apply(const RealMatrix& A, const RealMatrix& B, const RealMatrix& grad_A,
             const RealMatrix& grad_B) const {
    const auto on_A = coefficients[Side::A], on_B = coefficients[Side::B];
    return {
        product(support::real(on_A.on_grad), grad_A) + product(support::real(on_A.on_factor), A),
        product(grad_B, transposed(support::real(on_B.on_grad))) +
            product(B, transposed(support::real(on_B.on_factor)))};
  }
};

TEST_CASE("coefficients: lambda, conditioning, scale, grad_scale", "[coefficients]") {
  LORAPRO_TEST_RANDOM(random, 131);
  const Problem p(random, 8, 9, 3, 2, 3, 20);
  const RealMatrix cross_A = product(p.grad_A(), transposed(p.A));
  const RealMatrix cross_B = product(transposed(p.grad_B()), p.B);
  for (const double rho : {0.0, 0.01, 1.0}) {
    CAPTURE(rho);
    Direct direct(p.A, p.B, cross_A, cross_B, 2, rho, Gauge::balanced);
    REQUIRE(direct.ok);
    CHECK(direct.coefficients.lambda().A == Approx(static_cast<double>(p.lambda(rho).A)));
    CHECK(direct.coefficients.lambda().B == Approx(static_cast<double>(p.lambda(rho).B)));
    const double lambda = 4 * rho;  // s^2
    const double expected = (4 + lambda) / (4 / 400.0 + lambda);
    CHECK(direct.coefficients.conditioning() == Approx(expected));
    if (rho > 0) CHECK(direct.coefficients.conditioning() <= (1 + rho) / rho);

    // grad_scale multiplies the gradients: exactly, for a power of two.
    const Pair d = direct.apply(p.A, p.B, p.grad_A(), p.grad_B());
    Direct halved(p.A, p.B, cross_A, cross_B, 2, rho, Gauge::balanced, 0.5);
    const Pair half = halved.apply(p.A, p.B, p.grad_A(), p.grad_B());
    CHECK(distance({2 * half.A, 2 * half.B}, d) == 0);
    direct.coefficients.scale(0.5);
    CHECK(distance(direct.apply(p.A, p.B, p.grad_A(), p.grad_B()), half) == 0);
  }
}

TEST_CASE("without damping it is the limit in which the dampings go to zero", "[coefficients]") {
  LORAPRO_TEST_RANDOM(random, 138);
  const Problem p(random, 8, 9, 3, 2, 3, 5);
  const RealMatrix cross_A = product(p.grad_A(), transposed(p.A));
  const RealMatrix cross_B = product(transposed(p.grad_B()), p.B);
  Pair equal;
  for (const double ratio : {1.0, 0.01, 30.0}) {
    CAPTURE(ratio);
    const Direct direct(p.A, p.B, cross_A, cross_B, 2, 0, Gauge::sylvester, 1, {ratio, 1 / ratio});
    const Pair d = direct.apply(p.A, p.B, p.grad_A(), p.grad_B());
    const Real little = 1e-9L;
    const Pair damped =
        reference::least_squares(p.A, p.B, p.G, 2, {little * ratio, little / ratio});
    CHECK(distance(d, damped) < 1e-6 * norm(damped));
    if (ratio == 1.0) {
      equal = d;
    } else {
      CHECK(distance(d, equal) > 0.1 * norm(equal));  // the move is split in another way
    }
    CHECK(norm(p.equivalent_gradient(d) - p.equivalent_gradient(equal)) < 1e-12 * norm(p.G));
  }
}

TEST_CASE("coefficients that overflow are told", "[coefficients]") {
  LORAPRO_TEST_RANDOM(random, 132);
  const Problem p(random, 5, 6, 2);
  const RealMatrix tiny_A = 1e-160L * p.A, tiny_B = 1e-160L * p.B;
  const RealMatrix cross = random.matrix(2, 2);
  CHECK(Direct(p.A, p.B, cross, cross, 2, 0, Gauge::sylvester).ok);
  for (const Gauge gauge : kGauges)
    CHECK_FALSE(Direct(tiny_A, tiny_B, cross, cross, 2, 0, gauge).ok);
}

/// ||E - projection|| / (eps ||G||) of float inputs, with the products of either or both sides.
struct Errors {
  double both = 0, only_A = 0, only_B = 0;
};

Errors float_errors(const Problem& exact, Gauge gauge) {
  const Problem p = exact.stored<float>();
  const RealMatrix E = p.tangent_projection();
  const auto inputs = p.inputs<float>();
  const RealMatrix gA = reference::real(inputs.grad_A), gB = reference::real(inputs.grad_B);
  const RealMatrix cross_A = product(gA, transposed(p.A)), cross_B = product(transposed(gB), p.B);
  const auto error = [&](const RealMatrix& a, const RealMatrix& b) {
    const Direct direct(p.A, p.B, a, b, p.scaling, 0, gauge);
    REQUIRE(direct.ok);
    return distance(p.equivalent_gradient(direct.apply(p.A, p.B, gA, gB)), E) /
           (lorapro::storage_epsilon<float>() * norm(p.G));
  };
  return {error(cross_A, cross_B), error(cross_A, transposed(cross_A)),
          error(transposed(cross_B), cross_B)};
}

/// The worst of a few pairs.
Errors worst_errors(support::Random& random, Index out, Index in, double condition_A,
                    double condition_B, Gauge gauge) {
  Errors worst;
  for (int repeat = 0; repeat < 5; ++repeat) {
    const Errors e = float_errors(Problem(random, out, in, 4, 2, condition_A, condition_B), gauge);
    worst.both = std::max(worst.both, e.both);
    worst.only_A = std::max(worst.only_A, e.only_A);
    worst.only_B = std::max(worst.only_B, e.only_B);
  }
  return worst;
}

TEST_CASE("each side's own product cancels the rounding of its own gradient", "[coefficients]") {
  // With in = rank all of grad_A lies along A, and the noise that an ill-conditioned B would
  // enlarge cancels; the product of the other side carries other noise. Likewise with out = rank.
  LORAPRO_TEST_RANDOM(random, 133);
  for (const double condition : {1e2, 1e4, 1e6})
    for (const Gauge gauge : kGauges) {
      CAPTURE(condition, static_cast<int>(gauge));
      // In units of eps of float; the Gram matrices cost the squared condition in eps of double.
      const double bound = 0.5 + condition * condition * 0x1.0p-29;
      const Errors wide_B = worst_errors(random, 24, 4, 2, condition, gauge);
      CAPTURE(wide_B.both, wide_B.only_A, wide_B.only_B);
      CHECK(wide_B.both <= bound);
      CHECK(wide_B.only_B >= 0.002 * condition);
      const Errors wide_A = worst_errors(random, 4, 24, condition, 2, gauge);
      CAPTURE(wide_A.both, wide_A.only_A, wide_A.only_B);
      CHECK(wide_A.both <= bound);
      CHECK(wide_A.only_A >= 0.002 * condition);
    }
}

TEST_CASE("noise of gradients in float grows with the condition of the factors only",
          "[coefficients]") {
  LORAPRO_TEST_RANDOM(random, 134);
  for (const double condition_A : {1.0, 1e3})
    for (const double condition_B : {1.0, 1e3, 1e6})
      for (const Gauge gauge : kGauges) {
        const Errors worst = worst_errors(random, 24, 20, condition_A, condition_B, gauge);
        CAPTURE(condition_A, condition_B, static_cast<int>(gauge), worst.both, worst.only_A,
                worst.only_B);
        CHECK(worst.both <= 0.2 * std::max(condition_A, condition_B));
      }
}

}  // namespace

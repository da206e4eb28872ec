// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/overflow_bounds.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::PairShape;
using lorapro::Side;

TEST_CASE("the usual direction has the root mean square of an AdamW step", "[overflow_bounds]") {
  for (const PairShape shape : {PairShape{12, 20, 4}, PairShape{3, 50, 8}, PairShape{1, 1, 1}}) {
    const double sigma = lorapro::detail::usual_singular_value(shape);
    const double squares = sigma * sigma * static_cast<double>(shape.step_rank());
    const auto elements = static_cast<double>(shape.out_features * shape.in_features);
    CHECK(std::sqrt(squares / elements) == Approx(0.2));
    const auto visible =
        static_cast<double>(std::min({shape.rank, shape.out_features, shape.in_features}));
    CHECK(lorapro::detail::usual_direction_norm(shape) == Approx(sigma * std::sqrt(visible)));
    CHECK(lorapro::detail::least_direction_norm(shape) > 0);
  }
}

TEST_CASE("no sequence of gradients gives Adam a larger direction", "[overflow_bounds]") {
  for (const double beta1 : {0.0, 0.5, 0.9})
    for (const double beta2 : {0.9, 0.99, 0.999}) {
      CAPTURE(beta1, beta2);
      lorapro::OptimizerConfig config;
      config.beta1 = beta1;
      config.beta2 = beta2;
      const double bound = lorapro::detail::adam_direction_bound(config);
      double largest = 0;
      // Growth by beta2 / beta1 is the worst (equality in Cauchy and Schwarz).
      for (const double growth : {1.0, 1.2, 2.0, beta2 / std::max(beta1, 0.5)}) {
        double m = 0, v = 0, g = 1e-3;
        for (int t = 1; t <= 200; ++t, g *= growth) {
          m = beta1 * m + (1 - beta1) * g;
          v = beta2 * v + (1 - beta2) * g * g;
          largest = std::max(
              largest, m / (1 - std::pow(beta1, t)) / std::sqrt(v / (1 - std::pow(beta2, t))));
        }
      }
      CHECK(largest <= bound);
      CHECK(largest >= bound / 150);
    }
}

TEST_CASE("steps along any direction of a norm stay below the bound", "[overflow_bounds]") {
  for (const lorapro::Gauge gauge :
       {lorapro::Gauge::sylvester, lorapro::Gauge::balanced, lorapro::Gauge::zero})
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      CAPTURE(static_cast<int>(gauge), seed);
      PairBuffers<double> buffers(9, 7, 3, 0.5, seed, seed % 2 == 0 ? 1e-2 : 1);
      const RealMatrix H = random_matrix(9, 7, 100 + seed);
      buffers.backpropagate(H);
      lorapro::OptimizerConfig config = lorapro::OptimizerConfig{};
      config.gauge = gauge;
      lorapro::Pair pair;
      pair.A.value = lorapro::factor_of_A(lorapro::make_view(buffers.A));
      pair.A.grad = lorapro::factor_of_A(lorapro::make_view(buffers.grad_A));
      pair.B.value = lorapro::factor_of_B(lorapro::make_view(buffers.B));
      pair.B.grad = lorapro::factor_of_B(lorapro::make_view(buffers.grad_B));
      pair.scaling = buffers.scaling;
      lorapro::StepContext context;
      context.config = &config;
      lorapro::PairSolver solver(3);
      lorapro::Buffer<lorapro::Wide> memory(lorapro::PairSolver::scratch_size(3));
      const lorapro::Team<double> nobody(nullptr, 0);
      const lorapro::PairStep<double> step{pair, context, nobody, &solver};
      const lorapro::AdjustOptions options = step.adjust_options();
      REQUIRE(solver.solve(pair, options, 1, true, lorapro::Workspace(memory)).usable());
      const lorapro::detail::SecondStepBound bound(step);
      const double size = std::sqrt(static_cast<double>(squared_norm(H)));
      const AdjustedReference d = adjust(buffers.factors(), buffers.gradients(), 0.5,
                                         {static_cast<Real>(solver.coefficients().lambda().A),
                                          static_cast<Real>(solver.coefficients().lambda().B)},
                                         gauge, lorapro::storage_epsilon<double>());
      CHECK(std::sqrt(static_cast<double>(squared_norm(d.A))) <= bound.step(size));
      CHECK(std::sqrt(static_cast<double>(squared_norm(d.B))) <= bound.step(size));
      const RealMatrix E = equivalent_gradient(buffers.factors(), d, 0.5);
      CHECK(std::sqrt(static_cast<double>(squared_norm(E))) <= bound.equivalent());
      CHECK(bound.largest_factor() == Approx(std::max(buffers.A.norm(), buffers.B.norm())));
      CHECK(bound.momentum_fits(1e30));
      CHECK_FALSE(bound.momentum_fits(1e308));
    }
}

}  // namespace

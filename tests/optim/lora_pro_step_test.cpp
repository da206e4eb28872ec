// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/lora_pro_step.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::AdjustStatus;
using lorapro::Buffer;
using lorapro::Wide;

/// One pair with everything that prepare_adjusted needs.
struct Bench {
  explicit Bench(PairBuffers<float>& buffers)
      : solver(buffers.A.rows()),
        adjusted(buffers.A.rows()),
        scalars(4 * lorapro::panel_size(buffers.A.rows())),
        wide(lorapro::PairSolver::scratch_size(buffers.A.rows())),
        scratch{lorapro::WorkspaceOf<float>(scalars), lorapro::Workspace(wide)} {
    pair.A.value = lorapro::factor_of_A(lorapro::make_view(buffers.A));
    pair.A.grad = lorapro::factor_of_A(lorapro::make_view(buffers.grad_A));
    pair.B.value = lorapro::factor_of_B(lorapro::make_view(buffers.B));
    pair.B.grad = lorapro::factor_of_B(lorapro::make_view(buffers.grad_B));
    pair.scaling = buffers.scaling;
    context.config = &config;
  }

  lorapro::Preparation prepare(double limit = 1e30) {
    for (const lorapro::Side side : lorapro::kSides)
      solver.measure(side, pair[side], true, scratch.wide);
    solver.spectra().decompose(scratch.wide);
    return lorapro::prepare_adjusted<float>({pair, context, team, &solver}, limit, adjusted);
  }

  lorapro::OptimizerConfig config;
  lorapro::Pair pair;
  lorapro::StepContext context;
  lorapro::PairSolver solver;
  lorapro::PairCombination<float> adjusted;
  Buffer<float> scalars;
  Buffer<Wide> wide;
  lorapro::Scratch<float> scratch;
  lorapro::Team<float> team{&scratch, 1};
};

TEST_CASE("prepare_adjusted measures the norm that clipping asks for", "[lora_pro_step]") {
  PairBuffers<float> buffers(12, 300, 3, 2.0, 1);
  buffers.backpropagate(random_matrix(12, 300, 3));
  Bench bench(buffers);
  bench.context.grad_scale = 0.25;
  CHECK(bench.prepare().squared_norm == 0);
  Factors g = buffers.gradients();
  g.A *= 0.25;
  g.B *= 0.25;
  bench.context.clip_norm = lorapro::ClipNorm::adapter;
  CHECK(bench.prepare().squared_norm ==
        Approx(static_cast<double>(squared_norm(g.A) + squared_norm(g.B))).epsilon(1e-12));
  bench.context.clip_norm = lorapro::ClipNorm::equivalent_gradient;
  for (const double damping : {0.0, 0.1}) {
    bench.config.damping = damping;
    const Factors f = buffers.factors();
    const RealMatrix E =
        equivalent_gradient(f,
                            adjust(f, g, 2.0, lambdas(f, 2.0, damping), bench.config.gauge,
                                   lorapro::storage_epsilon<float>()),
                            2.0);
    CHECK(bench.prepare().squared_norm ==
          Approx(static_cast<double>(squared_norm(E))).epsilon(1e-10));
  }
}

TEST_CASE("prepare_adjusted tells what cannot be stepped", "[lora_pro_step]") {
  PairBuffers<float> buffers(12, 20, 3, 0.5, 2);
  buffers.backpropagate(random_matrix(12, 20, 3));
  Bench bench(buffers);
  CHECK(bench.prepare().report.status == AdjustStatus::ok);
  CHECK(bench.prepare(1e-3).report.status == AdjustStatus::overflow);
  buffers.B.col(1) = buffers.B.col(0);
  CHECK(bench.prepare().report.status == AdjustStatus::rank_deficient);
  CHECK(bench.prepare().report.rank_B == 2);
  CHECK(bench.prepare().report.rank_A == 3);
  buffers.B.setZero();
  CHECK(bench.prepare().report.rank_B == 0);
  buffers.grad_A(2, 19) = std::numeric_limits<float>::infinity();
  CHECK(bench.prepare().report.status == AdjustStatus::non_finite);
  buffers.grad_A(2, 19) = 0;
  buffers.B(11, 2) = std::numeric_limits<float>::quiet_NaN();
  CHECK(bench.prepare().report.status == AdjustStatus::non_finite);
}

TEST_CASE("update_adjusted hands out the adjusted gradient of every panel", "[lora_pro_step]") {
  PairBuffers<float> buffers(300, 20, 3, 0.5, 2);
  buffers.backpropagate(random_matrix(300, 20, 3));
  Bench bench(buffers);
  bench.context.grad_scale = 0.5;
  const Factors f = buffers.factors(), g = buffers.gradients();
  const AdjustedReference d =
      adjust(f, {g.A / 2, g.B / 2}, 0.5, lambdas(f, 0.5, bench.config.damping), bench.config.gauge,
             lorapro::storage_epsilon<float>());
  REQUIRE(bench.prepare().report.status == AdjustStatus::ok);
  Index positions = 0;
  lorapro::update_adjusted(bench.pair.B, bench.adjusted[lorapro::Side::B], bench.team,
                           [&](const lorapro::PanelAt& at, const lorapro::Panel<const float>& step,
                               const lorapro::Panel<float>& value, const lorapro::Scratch<float>&) {
                             REQUIRE(at.layout.position_major());
                             for (Index i = 0; i < at.layout.rows(at.panel); ++i, ++positions)
                               for (Index k = 0; k < 3; ++k) {
                                 const Real expected = d.B(at.panel * lorapro::kPanelWidth + i, k);
                                 if (!(std::abs(step.data[i * step.stride + k] - expected) < 1e-5))
                                   FAIL_CHECK(i);
                                 value.data[i * value.stride + k] = 7;
                               }
                           });
  CHECK(positions == 300);
  CHECK((buffers.B.array() == 7).all());
}

}  // namespace

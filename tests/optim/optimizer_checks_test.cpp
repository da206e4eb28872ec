// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/lora_pro_adapter_rule.hpp>
#include <lorapro/optim/lora_pro_full_rule.hpp>
#include <lorapro/optim/lora_pro_sgd_rule.hpp>
#include <lorapro/optim/optimizer.hpp>
#include <lorapro/optim/sgd_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::AdjustStatus;
using lorapro::OptimizerConfig;
using FullFloat = lorapro::LoraPro<lorapro::FullMoments<float>>;
using FullCoarse = lorapro::LoraPro<lorapro::FullMoments<bfloat16>>;
using Adapter = lorapro::LoraPro<lorapro::AdapterMoments>;
using ProSgd = lorapro::LoraPro<lorapro::NoMoments>;

bool all_finite(const RowMatrix<float>& matrix) {
  for (Index i = 0; i < matrix.size(); ++i)
    if (!lorapro::is_finite(static_cast<double>(matrix.data()[i]))) return false;
  return true;
}

/// Whether each number of an optimizer's state is finite.
struct FiniteState {
  bool& finite;
  void operator()(const std::string&, std::int64_t&) const {}
  void operator()(const std::string&, const lorapro::StateTensor& tensor) const {
    std::vector<double> values(static_cast<std::size_t>(tensor.size()));
    tensor.read(values.data());
    for (const double value : values) finite = finite && lorapro::is_finite(value);
  }
};

/// One step of a pair: it either moves to finite numbers, or is left alone with its state.
template <typename Rule>
AdjustStatus check_step(PairBuffers<float> pair, const OptimizerConfig& config,
                        const lorapro::StepScale& scale = {}) {
  lorapro::Optimizer<float, Rule> optimizer(config);
  const auto id = optimizer.attach(pair.view());
  const PairBuffers<float> before = pair;
  const Snapshot state = state_of(optimizer);
  const auto report = optimizer.step(scale);
  if (report.updated == 0) {
    CHECK(same_parameters(pair, before));
    CHECK(entries_of(state_of(optimizer), "pair.0") == entries_of(state, "pair.0"));
    CHECK(report.skipped_overflow + report.skipped_non_finite == 1);
  } else {
    CHECK(all_finite(pair.A));
    CHECK(all_finite(pair.B));
    bool finite = true;
    optimizer.visit(FiniteState{finite});
    CHECK(finite);
  }
  return optimizer.report(id).status;
}

TEMPLATE_TEST_CASE("huge gradients are skipped where a moment would overflow", "[optimizer]",
                   lorapro::AdamWRule, Adapter, FullFloat, FullCoarse) {
  OptimizerConfig config;
  for (const float size : {1e20F, 1e25F, 1e30F, 1e37F}) {
    CAPTURE(size);
    for (const bool zero_B : {false, true}) {
      PairBuffers<float> pair(12, 9, 3, 1.0, 1, zero_B ? 0 : 1);
      pair.grad_A.setConstant(zero_B ? 0 : size);
      pair.grad_B.setConstant(-size);
      CHECK(check_step<TestType>(pair, config) == AdjustStatus::overflow);
      // A loss scale that explains the size makes it an ordinary gradient.
      CHECK(check_step<TestType>(pair, config, {static_cast<double>(size), 1}) !=
            AdjustStatus::overflow);
    }
  }
}

TEMPLATE_TEST_CASE("rules without second moments take larger gradients", "[optimizer]",
                   lorapro::SgdRule, ProSgd) {
  OptimizerConfig config;
  config.group.lr = 1e-20;
  PairBuffers<float> pair(12, 9, 3, 1.0, 1);
  pair.grad_A.setConstant(1e25F);
  pair.grad_B.setConstant(-1e25F);
  CHECK(check_step<TestType>(pair, config) == AdjustStatus::ok);
  // The learning rate counts: what it multiplies must fit as well.
  config.group.lr = 1e20;
  CHECK(check_step<TestType>(pair, config) == AdjustStatus::overflow);
}

TEMPLATE_TEST_CASE("nothing that is not finite is ever written", "[optimizer][trap]",
                   lorapro::SgdRule, lorapro::AdamWRule, ProSgd, Adapter, FullFloat, FullCoarse) {
  // Tiny and huge factors, gradients and scalings, undamped: inverses of 1e-60 and below.
  const float sizes[] = {0, 1e-42F, 1e-30F, 1e-25F, 1e-21F, 1e-19F, 1e-10F, 1, 1e10F, 1e18F, 1e37F};
  const float gradients[] = {0, 1e-40F, 1e-20F, 1, 1e15F, 1e30F};
  int updated = 0, skipped = 0;
  for (const double damping : {0.0, 1e-30, 0.1})
    for (const auto gauge :
         {lorapro::Gauge::sylvester, lorapro::Gauge::balanced, lorapro::Gauge::zero})
      for (const double scaling : {1.0, 1024.0, 1e-4})
        for (const double loss_scale : {1.0, 65536.0})
          for (const float size_B : sizes)
            for (const float size_A : {1.0F, 1e-20F})
              for (const float gradient : gradients) {
                CAPTURE(damping, static_cast<int>(gauge), scaling, loss_scale, size_A, size_B,
                        gradient);
                OptimizerConfig config;
                config.damping = damping;
                config.gauge = gauge;
                PairBuffers<float> pair(5, 4, 2, scaling, 1);
                pair.A *= size_A;
                pair.B *= size_B;
                // Consistent gradients, of G = gradient times random: s B^T G and s G A^T.
                const RealMatrix G = random_matrix(5, 4, 3, static_cast<double>(gradient));
                const RealMatrix gA = scaling * product(transposed(pair.factors().B), G);
                const RealMatrix gB = scaling * product(G, transposed(pair.factors().A));
                round_into(gA, pair.grad_A);
                round_into(gB, pair.grad_B);
                const AdjustStatus status = check_step<TestType>(pair, config, {loss_scale, 1});
                ++(status == AdjustStatus::ok || status == AdjustStatus::rank_deficient ? updated
                                                                                        : skipped);
              }
  CHECK(updated > skipped / 8);  // skipping everything would pass as well
}

TEST_CASE("a step from tiny B is bounded by damping and skipped without", "[optimizer][trap]") {
  // What an absolute damping of 1e-8 would have turned into an ordinary step.
  PairBuffers<float> pair(12, 9, 3, 1.0, 1, 1e-25);
  pair.backpropagate(random_matrix(12, 9, 2));
  OptimizerConfig config;
  CHECK(check_step<FullFloat>(pair, config) == AdjustStatus::ok);
  CHECK(check_step<ProSgd>(pair, config) == AdjustStatus::ok);
  config.damping = 0;
  CHECK(check_step<FullFloat>(pair, config) == AdjustStatus::overflow);
  CHECK(check_step<ProSgd>(pair, config) == AdjustStatus::overflow);
}

TEST_CASE("the report counts every kind of outcome", "[optimizer]") {
  PairBuffers<float> good(6, 5, 2, 1.0, 1), start(6, 5, 2, 1.0, 2, 0.0), huge(6, 5, 2, 1.0, 3),
      bad(6, 5, 2, 1.0, 4);
  huge.grad_A.setConstant(1e30F);
  bad.B(0, 0) = std::numeric_limits<float>::quiet_NaN();
  lorapro::Optimizer<float, Adapter> optimizer;
  optimizer.attach(good.view());
  optimizer.attach(start.view());
  optimizer.attach(huge.view());
  const auto bad_id = optimizer.attach(bad.view());
  const auto report = optimizer.step();
  CHECK(report.updated == 2);
  CHECK(report.rank_deficient == 1);
  CHECK(report.skipped_overflow == 1);
  CHECK(report.skipped_non_finite == 1);
  CHECK(optimizer.report({0}).status == AdjustStatus::ok);
  CHECK(optimizer.report({1}).status == AdjustStatus::rank_deficient);
  CHECK(optimizer.report({1}).rank_B == 0);
  CHECK(optimizer.report({1}).rank_A == 2);
  CHECK(optimizer.report({2}).status == AdjustStatus::overflow);
  CHECK(optimizer.report(bad_id).status == AdjustStatus::non_finite);
  // Everything bad at once is reported, too, and nothing moves.
  good.A(0, 0) = start.A(0, 0) = std::numeric_limits<float>::infinity();
  const auto none = optimizer.step();
  CHECK(none.updated == 0);
  CHECK(none.skipped_non_finite == 3);
  CHECK(none.step == 2);
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

/// \file
/// What holds for the rules of other papers on low-rank adapters beside the battery.
#include <lorapro/optim/adaprelora_rule.hpp>
#include <lorapro/optim/altlora_rule.hpp>
#include <lorapro/optim/loft_rule.hpp>
#include <lorapro/optim/lora_fa_rule.hpp>
#include <lorapro/optim/lora_muon_rule.hpp>
#include <lorapro/optim/lora_rite_rule.hpp>
#include <lorapro/optim/reflora_rule.hpp>
#include <lorapro/optim/reflora_s_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;

#define LORA_RULES                                                                            \
  lorapro::LoraFaRule, lorapro::LoraMuonRule, lorapro::LoraMuonSplitRule, lorapro::ImuonRule, \
      lorapro::RefLoraRule<0>, lorapro::RefLoraSRule<0>, lorapro::AltLoraRule,                \
      lorapro::AltLoraPlusRule, lorapro::AdaPreLoraRule, lorapro::LoraRiteRule, lorapro::LoftRule

TEMPLATE_TEST_CASE("the memory order of factors does not matter", "[lora_rules]", LORA_RULES) {
  // Beyond a panel, so that its offsets count.
  PairBuffers<double> rows(300, 270, 3, 0.5, 3), columns = rows;
  RowMatrix<double> A = columns.A.transpose(), B = columns.B.transpose(), grad_A = A, grad_B = B;
  lorapro::LoraView<double> view = columns.view();
  view.lora_A = {A.data(), 3, 270, 1, 3};
  view.grad_A = {grad_A.data(), 3, 270, 1, 3};
  view.lora_B = {B.data(), 300, 3, 1, 300};
  view.grad_B = {grad_B.data(), 300, 3, 1, 300};
  lorapro::OptimizerConfig config;
  config.group.weight_decay = 0.1;
  lorapro::Optimizer<double, TestType> first(config), second(config);
  first.attach(rows.view());
  second.attach(view);
  for (std::uint64_t t = 0; t < 4; ++t) {
    rows.backpropagate(random_matrix(300, 270, 40 + t));
    columns.A = A.transpose();
    columns.B = B.transpose();
    columns.backpropagate(random_matrix(300, 270, 40 + t));
    grad_A = columns.grad_A.transpose();
    grad_B = columns.grad_B.transpose();
    REQUIRE(first.step().updated == 1);
    REQUIRE(second.step().updated == 1);
  }
  // LoFT divides by roots of sums that cancel where an element of W has seen almost no gradient: the
  // last bit of the gradients moves B by 1e-11 here.
  const double tolerance = std::is_same_v<TestType, lorapro::LoftRule> ? 1e-10 : 1e-12;
  CHECK((rows.A - A.transpose()).cwiseAbs().maxCoeff() < tolerance);
  CHECK((rows.B - B.transpose()).cwiseAbs().maxCoeff() < tolerance);
}

/// Whether every number of parameters and state is finite.
template <typename Optimizer>
bool buffers_finite(const PairBuffers<float>& pair, Optimizer& optimizer) {
  bool finite = pair.A.allFinite() && pair.B.allFinite();
  optimizer.visit([&](const std::string&, auto&& entry) {
    if constexpr (!std::is_same_v<std::decay_t<decltype(entry)>, std::int64_t>) {
      std::vector<double> values(static_cast<std::size_t>(entry.size()));
      entry.read(values.data());
      for (const double value : values) finite = finite && lorapro::is_finite(value);
    }
  });
  return finite;
}

TEMPLATE_TEST_CASE("what would overflow is skipped before anything is written", "[lora_rules]",
                   LORA_RULES) {
  for (const float size_A : {1e-15f, 1.0f, 1e15f})
    for (const float size_B : {0.0f, 1e-15f, 1.0f, 1e15f})
      for (const float size : {1e-30f, 1e-10f, 1.0f, 1e10f, 1e19f, 1e30f, 3e37f}) {
        CAPTURE(size_A, size_B, size);
        PairBuffers<float> pair(12, 9, 2, 2.0, 3);
        pair.A *= size_A;
        pair.B *= size_B;
        lorapro::OptimizerConfig config;
        config.damping = 0;
        lorapro::Optimizer<float, TestType> optimizer(config);
        optimizer.attach(pair.view(), {}, "pair");
        for (std::uint64_t t = 0; t < 4; ++t) {
          round_into(size * random_matrix(2, 9, 7 + t), pair.grad_A);
          round_into(size * random_matrix(12, 2, 8 + t), pair.grad_B);
          const PairBuffers<float> before = pair;
          const Snapshot state = entries_of(state_of(optimizer), "pair");
          const auto report = optimizer.step();
          REQUIRE(buffers_finite(pair, optimizer));
          if (report.updated == 1) continue;
          REQUIRE(report.skipped_overflow == 1);
          REQUIRE(same_parameters(pair, before));
          REQUIRE(entries_of(state_of(optimizer), "pair") == state);
        }
      }
}

TEMPLATE_TEST_CASE("factors in bfloat16 train through their masters", "[lora_rules]", LORA_RULES) {
  PairBuffers<bfloat16> pair(40, 30, 4, 0.5, 3, 0.1);
  lorapro::OptimizerConfig config;
  config.group.lr = 1e-3;
  lorapro::Optimizer<float, TestType> optimizer(config);
  optimizer.attach(pair.view());
  const RealMatrix target = product(random_matrix(40, 4, 5), random_matrix(4, 30, 6));
  const auto loss = [&] { return squared_norm(pair.delta_W() - target); };
  const Real start = loss();
  for (int t = 0; t < 60; ++t) {
    pair.backpropagate(pair.delta_W() - target);
    REQUIRE(optimizer.step().updated == 1);
  }
  CHECK(loss() < start);
}

}  // namespace

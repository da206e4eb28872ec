// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/crew_stepper.hpp>

#include <lorapro/optim/lora_pro_sgd_rule.hpp>
#include <lorapro/optim/optimizer.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using SteppedRule = lorapro::LoraPro<lorapro::NoMoments>;

TEST_CASE("the halves of a step are those of an optimizer", "[crew_stepper]") {
  PairBuffers<float> pair(6, 5, 2, 1.0, 1), twin(6, 5, 2, 1.0, 1);
  for (PairBuffers<float>* one : {&pair, &twin}) one->backpropagate(random_matrix(6, 5, 9));
  const lorapro::OptimizerConfig config;
  lorapro::Optimizer<float, SteppedRule> optimizer(config);
  optimizer.attach(twin.view());
  CHECK(optimizer.step().updated == 1);

  using Attachments = lorapro::detail::Attachments<float>;
  lorapro::detail::Groups groups({config.group});
  Attachments attached;
  lorapro::detail::CrewStepper<float> stepper(1);
  const auto& rule = lorapro::runtime_rule<float, SteppedRule>();
  const auto id = attached.add(rule.pair_slot(lorapro::detail::given(pair.view()), ""), {}, groups);
  stepper.expect(attached.at(id), attached.pairs().size());
  const auto resolved = rule.resolved(config);
  const PairBuffers<float> before = pair;
  stepper.measure(attached, resolved, groups, 1.0, 1.0);
  CHECK(attached.at(id).preparation.report.status == lorapro::AdjustStatus::ok);
  CHECK(same_parameters(pair, before));
  attached.at(id).frozen = true;
  stepper.update(attached, groups, 1.0);
  CHECK(same_parameters(pair, before));
  attached.at(id).frozen = false;
  stepper.update(attached, groups, 1.0);
  CHECK(same_parameters(pair, twin));
  CHECK(attached.at(id).step == 1);

  // What has gone is not stepped.
  const auto taken = attached.take(id);
  stepper.forget_pair();
  stepper.measure(attached, resolved, groups, 1.0, 1.0);
  stepper.update(attached, groups, 1.0);
  CHECK(taken->step == 1);
  CHECK(same_parameters(pair, twin));
}

}  // namespace

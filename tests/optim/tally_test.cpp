// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/tally.hpp>

#include <lorapro/optim/optimizer.hpp>
#include <lorapro/optim/sgd_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::AdjustStatus;
using lorapro::detail::Groups;
using lorapro::detail::Slot;
using lorapro::detail::Tally;

TEST_CASE("a tally sums what is usable, by group", "[tally]") {
  Groups groups({{}, {}});
  groups[0].squared_norm = 99;
  lorapro::StepReport report;
  report.lr_factor = 0.5;
  Tally tally(report, groups);
  lorapro::AdjustReport found;
  const auto add = [&](AdjustStatus status, double squared_norm, Index group) {
    found.status = status;
    tally.add(found, squared_norm, group);
  };
  add(AdjustStatus::ok, 4, 0);
  add(AdjustStatus::rank_deficient, 5, 0);
  add(AdjustStatus::non_finite, 100, 0);
  add(AdjustStatus::overflow, 100, 1);
  Slot slot;
  slot.group = 1;
  slot.preparation.squared_norm = 2;
  tally.add(slot);
  CHECK(groups[0].squared_norm == 9);
  CHECK(groups[1].squared_norm == 2);
  CHECK(report.updated == 3);
  CHECK(report.skipped_non_finite == 1);
  CHECK(report.skipped_overflow == 1);
  CHECK(report.rank_deficient == 1);
  CHECK(tally.lr_factor() == 0.5);
}

/// Peers with one more parameter, of a given norm.
struct OnePeer {
  double squared_norm = 0;
  bool throws = false;
  int updates = 0;

  template <typename AddOwn>
  void measured(Tally& tally, const AddOwn& add_own) {
    if (throws) throw lorapro::StateError("peer");
    add_own();
    tally.add({}, squared_norm, 0);
  }
  void updated(const lorapro::StepReport& report) { updates += static_cast<int>(report.step); }
};

TEST_CASE("an optimizer among peers clips by the norm of all", "[tally]") {
  lorapro::OptimizerConfig config;
  config.group.clip_norm = lorapro::ClipNorm::adapter;
  config.group.lr = 1;
  RowMatrix<double> w = RowMatrix<double>::Zero(1, 1), g = RowMatrix<double>::Constant(1, 1, 3);
  lorapro::Optimizer<double, lorapro::SgdRule> optimizer(config);
  optimizer.attach(lorapro::DenseView<double>{w.data(), g.data(), 1});
  OnePeer peers;
  peers.throws = true;
  CHECK_THROWS_AS(optimizer.step_sharded(peers), lorapro::StateError);
  CHECK(w(0, 0) == 0);
  CHECK(optimizer.step_count() == 0);
  peers.throws = false;
  peers.squared_norm = 16;
  const auto report = optimizer.step_sharded(peers);
  CHECK(report.updated == 2);
  CHECK(report.grad_norm == 5);
  CHECK(w(0, 0) == Approx(-0.6).epsilon(1e-15));
  CHECK(peers.updates == 1);
}

}  // namespace

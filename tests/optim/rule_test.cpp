// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/rule.hpp>

#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/sgd_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::PairStep;
using lorapro::Side;

/// The sign of the gradient, element by element.
struct SignRule : lorapro::ElementwiseRule {
  static constexpr const char* kName = "sign";
  static constexpr std::array<const char*, 0> kState{};
  template <typename Scalar>
  struct Update {
    explicit Update(const lorapro::ElementStep& step)
        : lr(static_cast<Scalar>(step.lr)), decay(static_cast<Scalar>(step.decay)) {}
    void operator()(const lorapro::ElementRow<Scalar, 0>& row) const {
      for (Index i = 0; i < row.count; ++i) {
        const auto sign = static_cast<Scalar>((row.grad[i] > 0) - (row.grad[i] < 0));
        row.value[i] = decay * row.value[i] - lr * sign;
      }
    }
    Scalar lr, decay;
  };
};

/// Each factor's gradient over its norm, and a count of updates as state.
struct NormalizedRule : lorapro::PairRule {
  static constexpr const char* kName = "normalized";
  template <typename Scalar>
  struct PairState {
    explicit PairState(const lorapro::PairShape&) : updates(1) {}
    template <typename Visitor>
    void visit(Visitor&& visitor) {
      visitor(std::string("updates"), lorapro::StateTensor(updates.data(), 1, 1));
    }
    static lorapro::RuleWorkspace workspace(const lorapro::PairShape& shape) {
      return {2 * lorapro::panel_size(shape.rank), lorapro::panel_size(shape.rank), 0, 0};
    }
    lorapro::Preparation prepare(const PairStep<Scalar>& step) {
      return lorapro::prepare_elements(step, 1e15);
    }
    void update(const PairStep<Scalar>& step) {
      for (const lorapro::Factor& factor : step.pair) {
        const double norm = std::sqrt(lorapro::squared_norm_of(factor.grad, step.team));
        if (norm > 0)
          lorapro::update_factor(
              factor, step.team,
              [&](const lorapro::PanelAt& at, const lorapro::Panel<Scalar>& value,
                  lorapro::Scratch<Scalar> scratch) {
                const auto grad =
                    read_panel(factor.grad, at.layout, at.panel,
                               scratch.scalars.vector(lorapro::panel_size(at.layout.rank())));
                lorapro::descend_panel(factor.decay, factor.lr / norm, at, grad, value);
              });
      }
      updates[0] += 1;
    }
    lorapro::Buffer<Scalar> updates;
  };
  template <typename Scalar>
  using DenseState = lorapro::ElementwiseDense<lorapro::SgdRule, Scalar>;
};

TEST_CASE("an element-wise rule of the user's own passes the battery", "[rule]") {
  lorapro::OptimizerConfig config;
  config.group.lr = 0.01;
  run<SignRule, float>(config, 300, 0.2, false);
}

TEST_CASE("a pair rule of the user's own passes the battery", "[rule]") {
  lorapro::OptimizerConfig config;
  config.group.lr = 0.05;
  run<NormalizedRule, float>(config, 300, 0.3, false);
}

/// What a rule that looks at one factor at a time could get wrong: A's rate for both.
struct OneRateRule : NormalizedRule {
  template <typename Scalar>
  struct PairState : NormalizedRule::PairState<Scalar> {
    using Base = NormalizedRule::PairState<Scalar>;
    using Base::Base;
    void update(const PairStep<Scalar>& step) {
      lorapro::Pair pair = step.pair;
      pair.B.lr = pair.A.lr;
      Base::update({pair, step.context, step.team});
    }
  };
};

TEST_CASE("a rule that ignores the ratio of the rates is found out", "[rule]") {
  const lorapro::OptimizerConfig config;
  CHECK(moves_follow_rates(lorapro::runtime_rule<double, NormalizedRule>(), config));
  CHECK(moves_follow_rates(lorapro::runtime_rule<double, SignRule>(), config));
  CHECK_FALSE(moves_follow_rates(lorapro::runtime_rule<double, OneRateRule>(), config));
}

TEST_CASE("a pair is projected by the rate of the factor that is fixed", "[rule]") {
  lorapro::OptimizerConfig config;
  config.damping = 0.25;
  config.gauge = lorapro::Gauge::balanced;
  config.max_relative_move = 0.5;
  lorapro::Pair pair;
  pair.A.lr = 2;
  pair.B.lr = 3;
  lorapro::StepContext context;
  context.config = &config;
  const lorapro::Team<float> nobody(nullptr, 0);
  const PairStep<float> step{pair, context, nobody};
  CHECK(step.adjust_options().lr == 2);
  CHECK(step.adjust_options().damping == 0.25);
  CHECK(step.adjust_options().gauge == lorapro::Gauge::balanced);
  CHECK(step.adjust_options().max_relative_move == 0.5);
  context.free_factor = Side::A;
  CHECK(step.adjust_options().lr == 3);
  CHECK(step.adjust_options().free_factor == Side::A);
}

TEST_CASE("rules decide what the user has not", "[rule]") {
  lorapro::OptimizerConfig config;
  CHECK(*lorapro::runtime_rule<float, SignRule>().resolved(config).beta1 == 0.9);
  CHECK(*lorapro::runtime_rule<float, SignRule>().resolved(config).max_relative_move == 0.05);
  config.beta1 = 0.5;
  CHECK(*lorapro::runtime_rule<float, SignRule>().resolved(config).beta1 == 0.5);
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
// EXPECT: PairRule: PairState needs static RuleWorkspace workspace(const PairShape&)
#include <lorapro/lorapro.hpp>

struct Rule : lorapro::PairRule {
  static constexpr const char* kName = "rule";
  template <typename Scalar>
  struct PairState {
    explicit PairState(const lorapro::PairShape&) {}
    template <typename Visitor>
    void visit(Visitor&&) {}
#ifdef LORAPRO_CONTROL
    static lorapro::RuleWorkspace workspace(const lorapro::PairShape&) { return {}; }
#endif
    lorapro::Preparation prepare(const lorapro::PairStep<Scalar>&) { return {}; }
    void update(const lorapro::PairStep<Scalar>&) {}
  };
  template <typename Scalar>
  using DenseState = lorapro::ElementwiseDense<lorapro::SgdRule, Scalar>;
};

using Optimizer = lorapro::Optimizer<float, Rule>;
void run(Optimizer& optimizer) { (void)optimizer.config(); }

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
// EXPECT: PairRule: PairState needs Preparation prepare(const PairStep<Scalar>&)
#include <lorapro/lorapro.hpp>

#ifdef LORAPRO_CONTROL
template <typename Scalar>
using Step = lorapro::PairStep<Scalar>;
#else
template <typename Scalar>
using Step = lorapro::DenseStep<Scalar>;
#endif

struct Rule : lorapro::PairRule {
  static constexpr const char* kName = "rule";
  template <typename Scalar>
  struct PairState {
    explicit PairState(const lorapro::PairShape&) {}
    template <typename Visitor>
    void visit(Visitor&&) {}
    static lorapro::RuleWorkspace workspace(const lorapro::PairShape&) { return {}; }
    lorapro::Preparation prepare(const Step<Scalar>&) { return {}; }
    void update(const lorapro::PairStep<Scalar>&) {}
  };
  template <typename Scalar>
  using DenseState = lorapro::ElementwiseDense<lorapro::SgdRule, Scalar>;
};

using Optimizer = lorapro::Optimizer<float, Rule>;
void run(Optimizer& optimizer) { (void)optimizer.config(); }

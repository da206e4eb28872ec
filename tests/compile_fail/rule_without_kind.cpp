// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
// EXPECT: Optimizer: Rule must derive from lorapro::ElementwiseRule or lorapro::PairRule
#include <lorapro/lorapro.hpp>

#ifdef LORAPRO_CONTROL
using Rule = lorapro::AdamWRule;
#else
struct Rule {
  static constexpr const char* kName = "rule";
};
#endif

using Optimizer = lorapro::Optimizer<float, Rule>;
void run(Optimizer& optimizer) { (void)optimizer.config(); }

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// A pair in double with what rules work with: its spectra, and a team of one thread.

#include <lorapro/optim/rule.hpp>

#include "support/pair_buffers.hpp"

namespace rule_battery {

struct FactorBench {
  explicit FactorBench(PairBuffers<double>& buffers)
      : solver(buffers.A.rows()),
        scalars(8 * lorapro::panel_size(buffers.A.rows())),
        wide(lorapro::PairSolver::scratch_size(buffers.A.rows()) +
             4 * lorapro::WidePanels::size(buffers.A.rows())),
        scratch{lorapro::WorkspaceOf<double>(scalars), lorapro::Workspace(wide)} {
    pair.A.value = lorapro::factor_of_A(lorapro::make_view(buffers.A));
    pair.A.grad = lorapro::factor_of_A(lorapro::make_view(buffers.grad_A));
    pair.B.value = lorapro::factor_of_B(lorapro::make_view(buffers.B));
    pair.B.grad = lorapro::factor_of_B(lorapro::make_view(buffers.grad_B));
    pair.scaling = buffers.scaling;
    context.config = &config;
    for (const lorapro::Side side : lorapro::kSides)
      solver.measure(side, pair[side], true, scratch.wide);
    solver.spectra().decompose(scratch.wide);
    inspected = solver.inspect(pair, context.grad_scale).usable();
  }
  lorapro::PairStep<double> step() { return {pair, context, team, &solver}; }

  lorapro::OptimizerConfig config;
  lorapro::Pair pair;
  lorapro::StepContext context;
  lorapro::PairSolver solver;
  lorapro::Buffer<double> scalars, wide;
  lorapro::Scratch<double> scratch;
  lorapro::Team<double> team{&scratch, 1};
  bool inspected = false;
};

inline RealMatrix real_of(lorapro::ConstSquare square) {
  RealMatrix out(square.order(), square.order());
  for (Index i = 0; i < square.order(); ++i)
    for (Index k = 0; k < square.order(); ++k) out(i, k) = square(i, k);
  return out;
}

}  // namespace rule_battery

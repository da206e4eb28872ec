// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/adam.hpp>
#include <lorapro/adjust/combination.hpp>
#include <lorapro/adjust/pair.hpp>
#include <lorapro/linalg/magnitude.hpp>
#include <lorapro/optim/team.hpp>

LORAPRO_NAMESPACE_BEGIN

/// \file
/// How rules go through a factor, panel by panel.

/// Updates a factor: f(at, value, scratch) changes a panel of its value, of the master copy where
/// there is one, which is then rounded into the caller's memory. Panels run at the same time.
/// Scratch: panel_size(rank) scalars beside what f takes.
template <typename Scalar, typename F>
void update_factor(const Factor& factor, const Team<Scalar>& team, const F& f) {
  const FactorView& target = factor.target();
  const PanelLayout layout(factor.value);
  team.parallel_ranges(
      layout.count(), [&](Index, Index first, Index last, const Scratch<Scalar>& scratch) {
        for (Index panel = first; panel < last; ++panel) {
          Scratch<Scalar> own = scratch;
          const auto value =
              edit_panel(target, layout, panel, own.scalars.vector(panel_size(layout.rank())));
          f(PanelAt{layout, panel}, value, own);
          write_panel(read_only(value), target, layout, panel);
          if (factor.master.data != nullptr)
            write_panel(read_only(value), factor.value, layout, panel);
        }
      });
}

/// value = keep value - rate step on one panel.
template <typename Scalar>
void descend_panel(double keep, double rate, const PanelAt& at, const Panel<const Scalar>& step,
                   const Panel<Scalar>& value) {
  const Index length = at.layout.row_length(at.panel);
  for_rows(at, length == step.stride && length == value.stride, [&](Index i, Index count) {
    descend_row(static_cast<Scalar>(keep), static_cast<Scalar>(rate), step.data + i * step.stride,
                value.data + i * value.stride, count);
  });
}

/// y = a x + b y on one panel.
template <typename Scalar>
void axpby_panel(double a, const PanelAt& at, const Panel<const Scalar>& x, double b,
                 const Panel<Scalar>& y) {
  descend_panel(b, -a, at, x, y);
}

/// value = decay value - lr d on a whole factor, d = on_grad h + on_factor F.
/// \param source  source(at, F, memory, scratch) returns the panel of h, which may lie in `memory`, a
///                panel; F is that of the factor's value.
/// Scratch: 4 panels beside what source takes, FactorCombination::scratch_size(rank) wide.
template <typename Scalar, typename Source>
void descend_along(const Factor& factor, const FactorCombination<Scalar>& combination,
                   const Team<Scalar>& team, const Source& source) {
  update_factor(
      factor, team, [&](const PanelAt& at, const Panel<Scalar>& value, Scratch<Scalar> scratch) {
        const Index size = panel_size(at.layout.rank());
        const auto f = read_panel(factor.value, at.layout, at.panel, scratch.scalars.vector(size));
        Scalar* const memory = scratch.scalars.vector(size);
        const Panel<Scalar> d{scratch.scalars.vector(size), at.layout.stride()};
        const Panel<const Scalar> h = source(at, f, memory, scratch);
        combination.apply(at, f, h, d, scratch.wide);
        descend_panel(factor.decay, factor.lr, at, read_only(d), value);
      });
}

LORAPRO_NAMESPACE_END

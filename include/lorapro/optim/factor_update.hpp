// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/adam.hpp>
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

/// Calls f(i, count) for the rows of a panel, row i being of so many elements; rows that follow
/// one another in each of the strides count as one: the ragged ends of short rows would cost a
/// packet each.
template <typename F>
void for_rows(const PanelAt& at, std::initializer_list<Index> strides, const F& f) {
  const Index length = at.layout.row_length(at.panel);
  bool whole = true;
  for (const Index stride : strides) whole = whole && stride == length;
  const Index rows = whole ? 1 : at.layout.rows(at.panel);
  const Index count = whole ? at.layout.rows(at.panel) * length : length;
  for (Index i = 0; i < rows; ++i) f(i, count);
}

/// value = keep value - rate step on one panel.
template <typename Scalar>
void descend_panel(double keep, double rate, const PanelAt& at, const Panel<const Scalar>& step,
                   const Panel<Scalar>& value) {
  for_rows(at, {step.stride, value.stride}, [&](Index i, Index count) {
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

LORAPRO_NAMESPACE_END

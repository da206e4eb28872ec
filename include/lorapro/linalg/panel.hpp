// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/view.hpp>
#include <lorapro/linalg/convert.hpp>

#include <algorithm>  // std::min

LORAPRO_NAMESPACE_BEGIN

/// Factors are processed in panels of at most this many positions, so that what is loaded,
/// converted and multiplied stays in the caches next to the core.
inline constexpr Index kPanelWidth = 256;

inline Index panel_count(Index length) { return (length + kPanelWidth - 1) / kPanelWidth; }

inline Index panel_width(Index length, Index panel) {
  return (std::min)(kPanelWidth, length - panel * kPanelWidth);
}

/// Elements of scratch that one panel needs.
inline Index panel_size(Index rank) { return rank * kPanelWidth; }

/// How the panels of a factor are laid out: as a matrix of contiguous rows, one per rank index
/// (row-major A, column-major B) or one per position (row-major B), whichever the factor itself is.
/// A factor's gradient, moments and update all follow the factor.
class PanelLayout {
 public:
  explicit PanelLayout(const FactorView& factor)
      : rank_(factor.rank),
        length_(factor.length),
        position_major_(factor.length_stride != 1 && factor.rank_stride == 1) {}

  bool position_major() const { return position_major_; }
  Index rank() const { return rank_; }
  Index count() const { return panel_count(length_); }
  Index width(Index panel) const { return panel_width(length_, panel); }
  Index rows(Index panel) const { return position_major_ ? width(panel) : rank_; }
  Index row_length(Index panel) const { return position_major_ ? rank_ : width(panel); }
  /// From row to row of a panel in scratch.
  Index stride() const { return position_major_ ? rank_ : kPanelWidth; }

  /// From row to row, and from element to element, of `factor` in its own memory.
  Index row_stride(const FactorView& factor) const {
    return position_major_ ? factor.length_stride : factor.rank_stride;
  }
  Index element_stride(const FactorView& factor) const {
    return position_major_ ? factor.rank_stride : factor.length_stride;
  }
  /// Offset of a panel's first element in the factor's memory.
  Index offset(const FactorView& factor, Index panel) const {
    return panel * kPanelWidth * factor.length_stride;
  }

 private:
  Index rank_;
  Index length_;
  bool position_major_;
};

/// One of the panels of a layout.
struct PanelAt {
  const PanelLayout& layout;
  Index panel;
};

/// A panel: row i starts at data + i stride.
template <typename T>
struct Panel {
  T* data;
  Index stride;
};
template <typename T>
Panel<const T> read_only(const Panel<T>& panel) {
  return {panel.data, panel.stride};
}

/// Calls f(i, count) for the rows of a panel, row i being of so many elements.
/// \param whole  rows follow one another without a gap, in everything that f touches. They count as
///               one row then: the ragged ends of short ones would cost a packet each.
template <typename F>
void for_rows(const PanelAt& at, bool whole, const F& f) {
  const Index length = at.layout.row_length(at.panel), rows = at.layout.rows(at.panel);
  if (whole) return f(Index{0}, rows * length);
  for (Index i = 0; i < rows; ++i) f(i, length);
}

namespace detail {

/// Whether a panel of `factor` can be used where it is.
template <typename Scalar>
bool in_place(const FactorView& factor, const PanelLayout& layout) {
  return factor.type == storage_type<Scalar>() && layout.element_stride(factor) == 1;
}

template <typename Scalar>
Scalar* address(const FactorView& factor, const PanelLayout& layout, Index panel) {
  return static_cast<Scalar*>(factor.data) + layout.offset(factor, panel);
}

/// A panel in another scalar.
template <typename From, typename To>
void convert_panel(const PanelLayout& layout, Index panel, const Panel<const From>& from,
                   const Panel<To>& to) {
  const Index length = layout.row_length(panel);
  for_rows({layout, panel}, length == from.stride && length == to.stride,
           [&](Index i, Index count) {
             convert(from.data + i * from.stride, count, to.data + i * to.stride);
           });
}

}  // namespace detail

/// The panel of a factor in Scalar: the factor's own memory where type and order allow it, else a
/// converted copy in `scratch` (panel_size(rank) elements). Read-only.
template <typename Scalar>
Panel<const Scalar> read_panel(const FactorView& factor, const PanelLayout& layout, Index panel,
                               Scalar* scratch) {
  if (detail::in_place<Scalar>(factor, layout))
    return {detail::address<Scalar>(factor, layout, panel), layout.row_stride(factor)};
  visit_storage_type(factor.type, [&](auto zero) {
    using T = decltype(zero);
    const T* const source = detail::address<T>(factor, layout, panel);
    const Index row_stride = layout.row_stride(factor), step = layout.element_stride(factor);
    // Consecutive rows count as one: short ones would cost more than their elements.
    const bool whole =
        step == 1 && row_stride == layout.row_length(panel) && layout.stride() == row_stride;
    const Index rows = whole ? 1 : layout.rows(panel);
    const Index length = layout.row_length(panel) * (whole ? layout.rows(panel) : 1);
    for (Index i = 0; i < rows; ++i) {
      const T* const row = source + i * row_stride;
      Scalar* const out = scratch + i * layout.stride();
      if (step == 1) {
        convert(row, length, out);
      } else {
        for (Index k = 0; k < length; ++k) out[k] = static_cast<Scalar>(row[k * step]);
      }
    }
  });
  return {scratch, layout.stride()};
}

/// As read_panel, of a factor that will be written; write_panel has to follow.
template <typename Scalar>
Panel<Scalar> edit_panel(const FactorView& factor, const PanelLayout& layout, Index panel,
                         Scalar* scratch) {
  const Panel<const Scalar> loaded = read_panel(factor, layout, panel, scratch);
  return {const_cast<Scalar*>(loaded.data), loaded.stride};
}

/// Writes a panel back, rounded to nearest; nothing is to do where it is the factor's own memory.
template <typename Scalar>
void write_panel(const Panel<const Scalar>& values, const FactorView& factor,
                 const PanelLayout& layout, Index panel) {
  visit_storage_type(factor.type, [&](auto zero) {
    using T = decltype(zero);
    T* const target = detail::address<T>(factor, layout, panel);
    if (static_cast<const void*>(target) == static_cast<const void*>(values.data)) return;
    const Index row_stride = layout.row_stride(factor), step = layout.element_stride(factor);
    // Consecutive rows count as one: short ones would cost more than their elements.
    const bool whole =
        step == 1 && row_stride == layout.row_length(panel) && values.stride == row_stride;
    const Index rows = whole ? 1 : layout.rows(panel);
    const Index length = layout.row_length(panel) * (whole ? layout.rows(panel) : 1);
    for (Index i = 0; i < rows; ++i) {
      const Scalar* const row = values.data + i * values.stride;
      T* const out = target + i * row_stride;
      if (step == 1) {
        convert(row, length, out);
      } else {
        for (Index k = 0; k < length; ++k) out[k * step] = static_cast<T>(row[k]);
      }
    }
  });
}

LORAPRO_NAMESPACE_END

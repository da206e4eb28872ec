// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/view.hpp>

LORAPRO_NAMESPACE_BEGIN

/// Factors are processed in panels of at most this many positions: a (rank, kPanelWidth) piece in
/// the compute scalar, contiguous and padded with zeros, whatever the order, stride and element
/// type of the factor. 256 columns of rank 64 in double are 128 KiB, which fits an L2 cache.
inline constexpr Index kPanelWidth = 256;

inline Index panel_count(Index length) { return (length + kPanelWidth - 1) / kPanelWidth; }

inline Index panel_width(Index length, Index panel) {
  return std::min(kPanelWidth, length - panel * kPanelWidth);
}

/// Width to compute with: load_panel pads with zeros up to here, so that kernels see whole packets
/// of every instruction set.
inline Index padded_width(Index width) {
  constexpr Index kGranularity = 32;
  return (width + kGranularity - 1) / kGranularity * kGranularity;
}

namespace detail {

template <typename Scalar, typename T>
void load_panel(const T* source, const FactorView& factor, Index width, Scalar* panel) {
  if (factor.length_stride == 1) {
    for (Index k = 0; k < factor.rank; ++k) {
      const T* row = source + k * factor.rank_stride;
      Scalar* out = panel + k * kPanelWidth;
      for (Index i = 0; i < width; ++i) out[i] = static_cast<Scalar>(row[i]);
    }
  } else {
    for (Index i = 0; i < width; ++i) {
      const T* position = source + i * factor.length_stride;
      for (Index k = 0; k < factor.rank; ++k)
        panel[k * kPanelWidth + i] = static_cast<Scalar>(position[k * factor.rank_stride]);
    }
  }
  for (Index k = 0; k < factor.rank; ++k)
    std::fill(panel + k * kPanelWidth + width, panel + k * kPanelWidth + padded_width(width),
              Scalar(0));
}

template <typename Scalar, typename T>
void store_panel(const Scalar* panel, const FactorView& factor, Index width, T* target) {
  if (factor.length_stride == 1) {
    for (Index k = 0; k < factor.rank; ++k) {
      const Scalar* row = panel + k * kPanelWidth;
      T* out = target + k * factor.rank_stride;
      for (Index i = 0; i < width; ++i) out[i] = static_cast<T>(row[i]);
    }
  } else {
    for (Index i = 0; i < width; ++i) {
      T* position = target + i * factor.length_stride;
      for (Index k = 0; k < factor.rank; ++k)
        position[k * factor.rank_stride] = static_cast<T>(panel[k * kPanelWidth + i]);
    }
  }
}

}  // namespace detail

/// Loads positions [panel kPanelWidth, ...) of `factor` into `out` (rank, kPanelWidth), converted to
/// Scalar and padded with zeros up to padded_width.
template <typename Scalar>
void load_panel(const FactorView& factor, Index panel, Scalar* out) {
  const Index width = panel_width(factor.length, panel);
  visit_storage_type(factor.type, [&](auto zero) {
    using T = decltype(zero);
    detail::load_panel<Scalar, T>(static_cast<const T*>(factor.data) +
                                      panel * kPanelWidth * factor.length_stride,
                                  factor, width, out);
  });
}

/// The inverse of load_panel; rounds to nearest.
template <typename Scalar>
void store_panel(const Scalar* in, const FactorView& factor, Index panel) {
  const Index width = panel_width(factor.length, panel);
  visit_storage_type(factor.type, [&](auto zero) {
    using T = decltype(zero);
    detail::store_panel<Scalar, T>(
        in, factor, width,
        static_cast<T*>(factor.data) + panel * kPanelWidth * factor.length_stride);
  });
}

LORAPRO_NAMESPACE_END

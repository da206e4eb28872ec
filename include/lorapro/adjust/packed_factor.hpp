// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/linalg/panel.hpp>

#include <algorithm>  // std::copy_n, std::fill, std::min

LORAPRO_NAMESPACE_BEGIN

/// An array with the rank first, cut into tiles of some positions: of each position its `height`
/// values, tile by tile (height, tile_length) row-major, the last one padded with zeros.
/// \tparam Scalar  float or double.
template <typename Scalar>
struct PackedFactor {
  Scalar* data = nullptr;
  Index height = 0;
  Index tile_length = 0;

  /// Zeros in the tile that has the last of `length` positions.
  void clear_last(Index length) const {
    const Index size = height * tile_length, last = (length - 1) / tile_length;
    std::fill(data + last * size, data + (last + 1) * size, Scalar(0));
  }

  /// Writes a panel into the rows from `row` on.
  void pack(const PanelAt& at, const Panel<const Scalar>& values, Index row) const {
    const Index rank = at.layout.rank(), stride = values.stride, length = tile_length;
    for_pieces(at, [&](Scalar* tile, Index offset, Index from, Index count) {
      Scalar* const out = tile + row * length + offset;
      if (at.layout.position_major()) {
        for (Index i = 0; i < count; ++i) {
          const Scalar* const in = values.data + (from + i) * stride;
          for (Index k = 0; k < rank; ++k) out[k * length + i] = in[k];
        }
      } else {
        for (Index k = 0; k < rank; ++k)
          std::copy_n(values.data + k * stride + from, count, out + k * length);
      }
    });
  }

  /// A panel out of tiles of the height of its rank. \param out  panel_size(rank) elements.
  Panel<const Scalar> unpack(const PanelAt& at, Scalar* out) const {
    const Index rank = at.layout.rank(), stride = at.layout.stride(), length = tile_length;
    for_pieces(at, [&](const Scalar* tile, Index offset, Index from, Index count) {
      const Scalar* const in = tile + offset;
      if (at.layout.position_major()) {
        for (Index i = 0; i < count; ++i) {
          Scalar* const row = out + (from + i) * stride;
          for (Index k = 0; k < rank; ++k) row[k] = in[k * length + i];
        }
      } else {
        for (Index k = 0; k < rank; ++k)
          std::copy_n(in + k * length, count, out + k * stride + from);
      }
    });
    return {out, stride};
  }

 private:
  /// Calls f(tile, offset in the tile, offset in the panel, count) for the pieces of a panel.
  template <typename F>
  void for_pieces(const PanelAt& at, const F& f) const {
    const Index width = at.layout.width(at.panel);
    for (Index from = 0; from < width;) {
      const Index position = at.panel * kPanelWidth + from, offset = position % tile_length;
      const Index count = (std::min)(tile_length - offset, width - from);
      f(data + position / tile_length * height * tile_length, offset, from, count);
      from += count;
    }
  }
};

LORAPRO_NAMESPACE_END

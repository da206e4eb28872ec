// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/linalg/magnitude.hpp>
#include <lorapro/linalg/panel.hpp>
#include <lorapro/linalg/square.hpp>

#include <algorithm>  // std::fill

LORAPRO_NAMESPACE_BEGIN

/// Panels of a factor in the wide scalar, and the r x r products over their positions. A panel is
/// laid out by position, its rank padded with zeros to whole register tiles; but by rank where the
/// factor itself is (row-major A) and fills three quarters of one tile at most.
class WidePanels {
 public:
  explicit WidePanels(const FactorView& factor)
      : source_(factor), by_rank_(!source_.position_major() && 4 * factor.rank <= 3 * kTile) {}

  /// Elements of scratch that one panel needs.
  static Index size(Index rank) { return panel_size(padded(rank)); }

  const PanelLayout& source() const { return source_; }
  Index count() const { return source_.count(); }
  Index width(Index panel) const { return source_.width(panel); }

  /// The panel of the factor, or of its gradient or moment: where it is if type and order allow it,
  /// else a copy in `scratch` (size(rank) elements). Read-only.
  Panel<const Wide> read(const FactorView& factor, Index panel, Wide* scratch) const {
    if (by_rank_) return read_panel(factor, source_, panel, scratch);
    if (detail::in_place<Wide>(factor, source_) && source_.position_major() &&
        padded(rank()) == rank())
      return {detail::address<Wide>(factor, source_, panel), source_.row_stride(factor)};
    visit_storage_type(factor.type, [&](auto zero) {
      using T = decltype(zero);
      const T* const from = detail::address<T>(factor, source_, panel);
      copy(panel, from, source_.row_stride(factor), source_.element_stride(factor), scratch);
    });
    return {scratch, stride()};
  }

  /// A panel that is laid out as the source's. \param[out] out  size(rank) elements.
  template <typename Scalar>
  Panel<const Wide> convert(Index panel, const Panel<const Scalar>& from, Wide* out) const {
    copy(panel, from.data, from.stride, 1, out);
    return {out, stride()};
  }

  /// out += X Y^T, X and Y panels (rank, width).
  void add_products(Index panel, const Panel<const Wide>& x, const Panel<const Wide>& y,
                    Square out) const {
    add_tiles(panel, x, y, out, false);
  }
  /// out += X X^T, at least on and above the diagonal.
  void add_gram(Index panel, const Panel<const Wide>& x, Square out) const {
    add_tiles(panel, x, x, out, true);
  }

  /// ||X||_F^2.
  Wide squared_norm(Index panel, const Panel<const Wide>& x) const {
    const Index rows = by_rank_ ? rank() : width(panel), length = by_rank_ ? width(panel) : rank();
    if (x.stride == (by_rank_ ? length : padded(length)))
      return detail::sum_of_squares(x.data, rows * x.stride);
    Wide sum = 0;
    for (Index i = 0; i < rows; ++i) sum += detail::sum_of_squares(x.data + i * x.stride, length);
    return sum;
  }

  /// Multiplies position j of a panel that convert wrote by factors[j].
  void scale_positions(Index panel, const Wide* factors, Wide* converted) const {
    using P = detail::Packets<Wide>;
    if (by_rank_) {
      for (Index k = 0; k < rank(); ++k)
        for (Index j = 0; j < width(panel); ++j) converted[k * stride() + j] *= factors[j];
      return;
    }
    for (Index j = 0; j < width(panel); ++j) {
      const auto factor = P::set(factors[j]);
      Wide* const row = converted + j * stride();
      for (Index k = 0; k < stride(); k += kSize)
        P::store(row + k, P::mul(P::load(row + k), factor));
    }
  }

 private:
  static constexpr Index kSize = detail::Packets<Wide>::kSize;
  static constexpr Index kTile = detail::ProductTile<Wide>::kRows;
  static_assert(kTile % kSize == 0, "a padded row is made of whole packets");

  static Index padded(Index length) { return (length + kTile - 1) / kTile * kTile; }
  Index rank() const { return source_.rank(); }
  Index stride() const { return by_rank_ ? kPanelWidth : padded(rank()); }

  template <typename T>
  void copy(Index panel, const T* from, Index row_stride, Index step, Wide* out) const {
    const Index r = rank(), positions = width(panel);
    if (step != 1) {
      const Index along_rank = source_.position_major() ? step : row_stride;
      const Index along_length = source_.position_major() ? row_stride : step;
      std::fill(out, out + size(r), Wide(0));
      for (Index k = 0; k < r; ++k)
        for (Index j = 0; j < positions; ++j)
          out[by_rank_ ? k * stride() + j : j * stride() + k] =
              static_cast<Wide>(from[j * along_length + k * along_rank]);
    } else if (by_rank_) {
      for (Index k = 0; k < r; ++k)
        lorapro::convert(from + k * row_stride, positions, out + k * stride());
    } else if (source_.position_major()) {
      convert_padded(from, row_stride, positions, r, out, stride());
    } else {
      convert_transposed(from, row_stride, r, positions, out, stride());
    }
  }

  /// \param upper  leaves out what is below the diagonal, give or take a tile.
  void add_tiles(Index panel, const Panel<const Wide>& x, const Panel<const Wide>& y, Square out,
                 bool upper) const {
    const Index r = rank();
    if (by_rank_) {
      panel_dots(x.data, x.stride, r, y.data, y.stride, r, width(panel), out.data(), out.stride(),
                 Index{1});
      return;
    }
    const ProductTerm<Wide> terms[] = {{x.data, 1, y.data, y.stride}};
    constexpr Index kWide = detail::ProductTile<Wide>::kPackets;
    for (Index i = 0; i < r; i += kTile) {
      Index j = upper ? i : 0;
      const auto sweep = [&](auto packets) {
        constexpr Index kPackets = decltype(packets)::value, kCols = kPackets * kSize;
        for (; j < r && j + kCols <= padded(r); j += kCols) {
          const Index rows = (std::min)(kTile, r - i), cols = (std::min)(kCols, r - j);
          const bool whole = rows == kTile && cols == kCols;
          Wide padded_tile[kTile * kCols];
          Wide* const to = out.row(i) + j;
          detail::product_tile<kTile, kPackets, typename detail::Packets<Wide>::Packet>(
              terms, i, j, x.stride, width(panel), whole ? to : padded_tile,
              whole ? out.stride() : kCols, whole);
          if (whole) continue;
          for (Index k = 0; k < rows; ++k)
            for (Index l = 0; l < cols; ++l) to[k * out.stride() + l] += padded_tile[k * kCols + l];
        }
      };
      sweep(std::integral_constant<Index, kWide>{});
      if constexpr (kWide > 2) sweep(std::integral_constant<Index, 2>{});
      sweep(std::integral_constant<Index, 1>{});
    }
  }

  PanelLayout source_;
  bool by_rank_;
};

LORAPRO_NAMESPACE_END

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/adam.hpp>
#include <lorapro/linalg/panel.hpp>

LORAPRO_NAMESPACE_BEGIN

/// Buffers of the full-moments pass. Factors are kept as a sequence of panels: panel p of a factor
/// of rank r starts at p r kPanelWidth.
template <typename Scalar>
struct FullMomentsBuffers {
  Scalar* lora_A;  ///< A, in_features positions
  Scalar* lora_B;  ///< B^T, out_features positions
  Scalar* step_A;  ///< in: s dA; out: hA = s B^T H
  Scalar* step_B;  ///< in: s dB^T
  Scalar* back_B;  ///< out: hB^T = s A H^T
  Scalar* tile;    ///< kTileRows x kPanelWidth

  static constexpr Index kTileRows = 64;
  static Index factor_size(Index rank, Index length) {
    return panel_count(length) * rank * kPanelWidth;
  }
};

/// One pass over the moments of a pair: for every tile of W, while it is in cache,
///
///     E = s (B dA + dB A);   Adam on (exp_avg, exp_avg_sq) with E;   H = m_hat / (sqrt(v_hat) + eps);
///     hA += s B^T H;         hB += s H A^T
///
/// so that neither the equivalent gradient E nor the direction H exists in memory.
/// \param rank, out_features, in_features  r, m, n.
/// \param[in,out] exp_avg, exp_avg_sq  (out_features, in_features), row-major.
/// \param rounding_key  of stochastic rounding; elements are counted row-major.
/// \cost 8 r m n + 11 m n flops; reads and writes each moment once; no heap.
/// \ref arXiv:2407.18242v3, algorithm 2, steps 1 to 4 as docs of LoraPro<FullMoments> list them.
template <typename Scalar, typename Storage>
void full_moments_pass(const AdamConstants<Scalar>& constants, double scaling, Index rank,
                       Index out_features, Index in_features, Storage* exp_avg,
                       Storage* exp_avg_sq, std::uint64_t rounding_key,
                       const FullMomentsBuffers<Scalar>& buffers) {
  constexpr Index kTileRows = FullMomentsBuffers<Scalar>::kTileRows;
  const Index panel_size = rank * kPanelWidth;
  const auto s = static_cast<Scalar>(scaling);
  std::fill(buffers.back_B, buffers.back_B + panel_count(out_features) * panel_size, Scalar(0));
  for (Index panel = 0; panel < panel_count(in_features); ++panel) {
    const Index width = panel_width(in_features, panel);
    const Index padded = padded_width(width);
    Scalar* const A = buffers.lora_A + panel * panel_size;
    Scalar* const dA = buffers.step_A + panel * panel_size;
    // hA of this panel gathers behind the tile and replaces dA once no row needs dA any more.
    Scalar* const hA = buffers.tile + kTileRows * kPanelWidth;
    std::fill(hA, hA + panel_size, Scalar(0));
    for (Index row = 0; row < out_features; row += kTileRows) {
      const Index rows = std::min(kTileRows, out_features - row);
      const Index offset = row / kPanelWidth * panel_size + row % kPanelWidth;
      const Scalar* const B = buffers.lora_B + offset;
      const Scalar* const dB = buffers.step_B + offset;
      panel_product(B, Index{1}, kPanelWidth, rows, rank, dA, kPanelWidth, padded, buffers.tile,
                    kPanelWidth, false);
      panel_product(dB, Index{1}, kPanelWidth, rows, rank, A, kPanelWidth, padded, buffers.tile,
                    kPanelWidth, true);
      for (Index i = 0; i < rows; ++i) {
        const Index element = (row + i) * in_features + panel * kPanelWidth;
        adam_row(constants, exp_avg + element, exp_avg_sq + element,
                 buffers.tile + i * kPanelWidth, width, rounding_key,
                 static_cast<std::uint64_t>(element));
      }
      panel_product(B, kPanelWidth, Index{1}, rank, rows, buffers.tile, kPanelWidth, padded, hA,
                    kPanelWidth, true);
      panel_dots(buffers.tile, kPanelWidth, rows, A, kPanelWidth, rank, padded,
                 buffers.back_B + offset, Index{1}, kPanelWidth);
    }
    for (Index k = 0; k < panel_size; ++k) dA[k] = s * hA[k];
  }
  for (Index k = 0; k < panel_count(out_features) * panel_size; ++k) buffers.back_B[k] *= s;
}

LORAPRO_NAMESPACE_END

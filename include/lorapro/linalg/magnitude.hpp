// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/linalg/panel.hpp>
#include <lorapro/linalg/product.hpp>

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// Largest |x| of consecutive elements, on the bits without the sign, whose order is that of the
/// magnitudes: infinities and NaNs come out as not finite, also under -ffast-math.
template <typename Scalar>
Magnitude<Scalar> largest_magnitude(const Scalar* values, Index count) {
  using Bits = FloatBits<Scalar>;
  constexpr Bits kMagnitude = ~Bits{0} >> 1;
  constexpr Index kLanes = Packets<Scalar>::kSize;
  using Lanes = IntegerLanes<Bits, kLanes>;
  values = unknown_memory(values);
  Lanes largest[4] = {};
  Index i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
    LORAPRO_UNROLL
    for (Index k = 0; k < 4; ++k) {
      Lanes lanes;
      std::memcpy(&lanes, values + i + k * kLanes, sizeof lanes);
      lanes &= kMagnitude;
      largest[k] = lanes > largest[k] ? lanes : largest[k];
    }
  }
  Magnitude<Scalar> result;
  for (Index k = 0; k < 4; ++k)
    for (Index lane = 0; lane < kLanes; ++lane) result.include({largest[k][lane]});
  for (; i < count; ++i) {
    Bits bits;
    std::memcpy(&bits, values + i, sizeof bits);
    result.include({bits & kMagnitude});
  }
  return result;
}

/// Sum of squares of consecutive elements, in four chains: one would wait for its own additions.
inline Wide sum_of_squares(const Wide* values, Index count) {
  using P = Packets<Wide>;
  constexpr Index kChains = 4;
  P::Packet sum[kChains];
  LORAPRO_UNROLL
  for (Index k = 0; k < kChains; ++k) sum[k] = P::set(0);
  Index i = 0;
  for (; i + kChains * P::kSize <= count; i += kChains * P::kSize) {
    LORAPRO_UNROLL
    for (Index k = 0; k < kChains; ++k) {
      const auto x = P::load(values + i + k * P::kSize);
      sum[k] = P::fma(x, x, sum[k]);
    }
  }
  Wide total = P::sum(P::add(P::add(sum[0], sum[1]), P::add(sum[2], sum[3])));
  for (; i < count; ++i) total += values[i] * values[i];
  return total;
}

/// Sum of squares of a panel.
inline Wide squared_panel(const PanelLayout& layout, Index panel, const Panel<const Wide>& x) {
  const Index length = layout.row_length(panel), rows = layout.rows(panel);
  if (x.stride == length) return sum_of_squares(x.data, rows * length);
  Wide sum = 0;
  for (Index i = 0; i < rows; ++i) sum += sum_of_squares(x.data + i * x.stride, length);
  return sum;
}

}  // namespace detail

/// Largest |x| in the panels [first, last) of a matrix; not finite if an element is not.
/// \param scratch  panel_size(rank) elements.
/// \cost reads each element once; no heap.
template <typename Scalar>
detail::Magnitude<Scalar> largest_magnitude(const FactorView& factor, Index first, Index last,
                                            Scalar* scratch) {
  const PanelLayout layout(factor);
  detail::Magnitude<Scalar> largest;
  for (Index panel = first; panel < last; ++panel) {
    const auto values = read_panel(factor, layout, panel, scratch);
    const Index length = layout.row_length(panel);
    // Consecutive rows count as one.
    const bool whole = values.stride == length;
    const Index rows = whole ? 1 : layout.rows(panel);
    const Index count = whole ? layout.rows(panel) * length : length;
    for (Index i = 0; i < rows; ++i)
      largest.include(detail::largest_magnitude(values.data + i * values.stride, count));
    if (!largest.is_finite()) return largest;
  }
  return largest;
}

/// Sum of squares in the panels [first, last), in the wide scalar.
/// \param scratch  panel_size(rank) elements. \cost 2 flops an element.
inline Wide squared_norm(const FactorView& factor, Index first, Index last, Wide* scratch) {
  const PanelLayout layout(factor);
  Wide sum = 0;
  for (Index panel = first; panel < last; ++panel)
    sum += detail::squared_panel(layout, panel, read_panel(factor, layout, panel, scratch));
  return sum;
}

LORAPRO_NAMESPACE_END

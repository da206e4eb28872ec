// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adjust/packed_factor.hpp>

#include <vector>  // std::vector

#include "support/catch.hpp"

namespace {

using lorapro::FactorView;
using lorapro::Index;
using lorapro::PackedFactor;
using lorapro::Panel;
using lorapro::PanelLayout;

TEMPLATE_TEST_CASE("tiles hold a factor's positions in any layout, and give them back",
                   "[packed_factor]", float, double) {
  using T = TestType;
  const Index rank = 3, height = 2 * rank;
  for (const bool position_major : {false, true})
    for (const Index length : {1, 7, 256, 300, 513})
      for (const Index tile_length : {1, 4, 6, 48}) {
        CAPTURE(position_major, length, tile_length);
        // Element (k, i) is 1000 k + i + 1.
        const auto element = [](Index k, Index i) { return static_cast<T>(1000 * k + i + 1); };
        std::vector<T> memory(static_cast<std::size_t>(rank * length));
        const FactorView view{
            memory.data(), lorapro::storage_type<T>(),  rank,
            length,        position_major ? 1 : length, position_major ? rank : 1};
        for (Index k = 0; k < rank; ++k)
          for (Index i = 0; i < length; ++i)
            memory[static_cast<std::size_t>(k * view.rank_stride + i * view.length_stride)] =
                element(k, i);
        const PanelLayout layout(view);
        const Index tiles = (length + tile_length - 1) / tile_length;
        std::vector<T> packed(static_cast<std::size_t>(tiles * height * tile_length), T(-7));
        const PackedFactor<T> both{packed.data(), height, tile_length};
        both.clear_last(length);
        for (Index panel = 0; panel < layout.count(); ++panel)
          for (const Index row : {Index{0}, rank})
            both.pack({layout, panel}, lorapro::read_panel<T>(view, layout, panel, nullptr), row);
        for (Index t = 0; t < tiles; ++t)
          for (Index k = 0; k < height; ++k)
            for (Index i = 0; i < tile_length; ++i) {
              const Index position = t * tile_length + i;
              const T expected = position < length ? element(k % rank, position) : T(0);
              const T found = packed[static_cast<std::size_t>((t * height + k) * tile_length + i)];
              if (found != expected) FAIL_CHECK(t << ' ' << k << ' ' << i);
            }

        // Of tiles that hold nothing else.
        std::vector<T> alone(static_cast<std::size_t>(tiles * rank * tile_length));
        const PackedFactor<T> one{alone.data(), rank, tile_length};
        std::vector<T> out(static_cast<std::size_t>(lorapro::panel_size(rank)));
        for (Index panel = 0; panel < layout.count(); ++panel) {
          const auto values = lorapro::read_panel<T>(view, layout, panel, nullptr);
          one.pack({layout, panel}, values, 0);
          const Panel<const T> back = one.unpack({layout, panel}, out.data());
          for (Index i = 0; i < layout.rows(panel); ++i)
            for (Index k = 0; k < layout.row_length(panel); ++k)
              if (back.data[i * back.stride + k] != values.data[i * values.stride + k])
                FAIL_CHECK(panel << ' ' << i << ' ' << k);
        }
      }
}

}  // namespace

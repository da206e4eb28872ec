// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/lora_pro_tangent_step.hpp>

#include <vector>  // std::vector

#include "support/catch.hpp"

namespace {

using lorapro::FactorView;
using lorapro::Index;
using lorapro::Panel;
using lorapro::PanelLayout;

TEMPLATE_TEST_CASE("panels of a momentum average in any layout", "[lora_pro_tangent_step]", float,
                   double) {
  using T = TestType;
  const Index rank = 3, length = 5;
  std::vector<T> memory(rank * length);
  for (const bool position_major : {false, true}) {
    CAPTURE(position_major);
    // Element (k, i) is 10 k + i.
    const Index rank_stride = position_major ? 1 : length;
    const Index length_stride = position_major ? rank : 1;
    const auto at = [&](Index k, Index i) -> T& {
      return memory[static_cast<std::size_t>(k * rank_stride + i * length_stride)];
    };
    for (Index k = 0; k < rank; ++k)
      for (Index i = 0; i < length; ++i) at(k, i) = static_cast<T>(10 * k + i);
    const FactorView moment{memory.data(), lorapro::storage_type<T>(), rank, length, rank_stride,
                            length_stride};
    const PanelLayout layout(moment);
    std::vector<T> values(static_cast<std::size_t>(lorapro::panel_size(rank)), T(8));
    std::vector<T> scratch(values.size());
    const Panel<T> eights{values.data(), layout.stride()};
    lorapro::detail::average_panel(0.75, {layout, 0}, read_only(eights), moment, scratch.data());
    for (Index k = 0; k < rank; ++k)
      for (Index i = 0; i < length; ++i)
        CHECK(at(k, i) == static_cast<T>(0.75) * static_cast<T>(10 * k + i) + 2);
  }
}

}  // namespace

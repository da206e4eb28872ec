// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/factor_update.hpp>

#include <vector>  // std::vector

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::Buffer;
using lorapro::Factor;
using lorapro::FactorView;
using lorapro::Panel;
using lorapro::PanelAt;
using lorapro::PanelLayout;

/// Updates with one thread.
template <typename F>
void update(const Factor& factor, const F& f) {
  Buffer<float> scalars(4 * lorapro::panel_size(factor.value.rank));
  const lorapro::Scratch<float> scratch{lorapro::WorkspaceOf<float>(scalars), {}};
  lorapro::update_factor(factor, lorapro::Team<float>(&scratch, 1), f);
}

TEST_CASE("update_factor writes the master and rounds it into the value", "[factor_update]") {
  const Index length = 300, rank = 2;
  RowMatrix<bfloat16> model = rounded<bfloat16>(random_matrix(length, rank, 1));
  Buffer<float> master(length * rank);
  for (Index i = 0; i < master.size(); ++i) master[i] = static_cast<float>(model.data()[i]);
  Factor factor;
  factor.value = lorapro::factor_of_B(lorapro::make_view(model));
  factor.master = lorapro::factor_view(lorapro::Side::B, {length, 1, rank}, master.data());
  const auto descend = [](const PanelAt& at, const Panel<float>& value, const auto&) {
    for (Index i = 0; i < at.layout.rows(at.panel); ++i)
      for (Index k = 0; k < at.layout.row_length(at.panel); ++k)
        value.data[i * value.stride + k] -= 0x1.0p-12F;
  };
  const RowMatrix<bfloat16> before = model;
  for (int t = 0; t < 16; ++t) update(factor, descend);
  for (Index i = 0; i < model.size(); ++i) {
    const float expected = static_cast<float>(before.data()[i]) - 0x1.0p-8F;
    if (!(std::abs(master[i] - expected) < 1e-6F)) FAIL_CHECK(i);
    if (!(model.data()[i] == static_cast<bfloat16>(master[i]))) FAIL_CHECK(i);
  }
  // Without a master the same updates of elements near 1 or above are all rounded away.
  RowMatrix<bfloat16> alone = before;
  Factor without;
  without.value = lorapro::factor_of_B(lorapro::make_view(alone));
  for (int t = 0; t < 16; ++t) update(without, descend);
  for (Index i = 0; i < alone.size(); ++i)
    if (std::abs(static_cast<float>(before.data()[i])) > 1)
      CHECK(alone.data()[i] == before.data()[i]);
}

TEMPLATE_TEST_CASE("panels are combined in any layout", "[factor_update]", float, double) {
  using T = TestType;
  const Index rank = 3, length = 5;
  for (const bool position_major : {false, true}) {
    CAPTURE(position_major);
    std::vector<T> memory(rank * length);
    for (std::size_t i = 0; i < memory.size(); ++i) memory[i] = static_cast<T>(i);
    const FactorView view{memory.data(), lorapro::storage_type<T>(),  rank,
                          length,        position_major ? 1 : length, position_major ? rank : 1};
    const PanelLayout layout(view);
    std::vector<T> eights(static_cast<std::size_t>(lorapro::panel_size(rank)), T(8));
    const Panel<const T> step{eights.data(), layout.stride()};
    const Panel<T> value{memory.data(), layout.row_stride(view)};
    lorapro::axpby_panel(0.25, {layout, 0}, step, 0.75, value);
    for (std::size_t i = 0; i < memory.size(); ++i)
      CHECK(memory[i] == static_cast<T>(0.75) * static_cast<T>(i) + 2);
    lorapro::descend_panel(0.0, 0.5, {layout, 0}, step, value);
    for (const T x : memory) CHECK(x == -4);
  }
}

}  // namespace

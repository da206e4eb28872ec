// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/linalg/panel.hpp>

#include <vector>  // std::vector

#include "support/random.hpp"

namespace {

using lorapro::bfloat16;
using lorapro::FactorView;
using lorapro::half;
using lorapro::Index;
using lorapro::kPanelWidth;
using lorapro::Panel;
using lorapro::PanelLayout;

TEST_CASE("panels cover a factor", "[panel]") {
  for (const Index length : {0, 1, 255, 256, 257, 511, 512, 513, 1000}) {
    CAPTURE(length);
    Index covered = 0;
    for (Index panel = 0; panel < lorapro::panel_count(length); ++panel) {
      const Index width = lorapro::panel_width(length, panel);
      CHECK(width >= 1);
      CHECK(width <= kPanelWidth);
      covered += width;
    }
    CHECK(covered == length);
  }
  CHECK(lorapro::panel_size(7) == 7 * kPanelWidth);
}

TEST_CASE("a layout follows the order of its factor", "[panel]") {
  const auto layout = [](Index rank_stride, Index length_stride) {
    return PanelLayout(
        FactorView{nullptr, lorapro::StorageType::f32, 3, 300, rank_stride, length_stride});
  };
  CHECK_FALSE(layout(300, 1).position_major());  // row-major A
  CHECK(layout(1, 3).position_major());          // row-major B
  CHECK_FALSE(layout(1, 1).position_major());    // rank 1
  CHECK_FALSE(layout(700, 2).position_major());
  const PanelLayout rows = layout(300, 1), positions = layout(1, 3);
  CHECK((rows.rows(1) == 3 && rows.row_length(1) == 44 && rows.stride() == kPanelWidth));
  CHECK((positions.rows(1) == 44 && positions.row_length(1) == 3 && positions.stride() == 3));
  CHECK((rows.count() == 2 && positions.count() == 2));
  CHECK((rows.rank() == 3 && positions.width(0) == kPanelWidth));
}

struct Strides {
  Index rank, length;
};

/// A factor of T with any strides, in memory of its own.
template <typename T>
struct Factor {
  std::vector<T> memory;
  FactorView view;

  Factor(Index rank, Index length, Strides strides)
      : memory(static_cast<std::size_t>((rank - 1) * std::abs(strides.rank) +
                                        (length - 1) * std::abs(strides.length) + 1),
               T(-3)) {
    const Index start = std::max<Index>(0, -(rank - 1) * strides.rank) +
                        std::max<Index>(0, -(length - 1) * strides.length);
    view = {memory.data() + start, lorapro::storage_type<T>(), rank, length, strides.rank,
            strides.length};
  }

  T& operator()(Index k, Index i) const {
    return static_cast<T*>(view.data)[k * view.rank_stride + i * view.length_stride];
  }
};

/// Reads a factor and one of other strides in the layout of the first, compares element by
/// element, writes both elsewhere and compares all of the memory.
template <typename Scalar, typename T>
void check_round_trip(support::Random& random, Index rank, Index length, Strides first,
                      Strides second) {
  CAPTURE(rank, length, first.rank, first.length, second.rank, second.length);
  const PanelLayout layout(Factor<T>(rank, length, first).view);
  for (const Strides strides : {first, second}) {
    Factor<T> factor(rank, length, strides), target(rank, length, strides);
    Factor<T> expected(rank, length, strides);
    for (Index k = 0; k < rank; ++k)
      for (Index i = 0; i < length; ++i) {
        factor(k, i) = static_cast<T>(random.normal());
        expected(k, i) = static_cast<T>(static_cast<Scalar>(factor(k, i)));
      }
    std::vector<Scalar> scratch(static_cast<std::size_t>(lorapro::panel_size(rank)) + 1, Scalar(9));
    int wrong = 0;
    for (Index panel = 0; panel < layout.count(); ++panel) {
      const Panel<const Scalar> values =
          lorapro::read_panel(factor.view, layout, panel, scratch.data());
      const bool own = values.data != scratch.data();
      // In place where a row is contiguous in the very scalar, and only there.
      wrong += own != (std::is_same_v<Scalar, T> && layout.element_stride(factor.view) == 1);
      for (Index row = 0; row < layout.rows(panel); ++row)
        for (Index element = 0; element < layout.row_length(panel); ++element) {
          const Index k = layout.position_major() ? element : row;
          const Index i = panel * kPanelWidth + (layout.position_major() ? row : element);
          wrong += values.data[row * values.stride + element] != static_cast<Scalar>(factor(k, i));
        }
      lorapro::write_panel(values, target.view, layout, panel);
    }
    CHECK(wrong == 0);
    CHECK(scratch.back() == 9);
    // What lies between the elements keeps its -3.
    CHECK(std::memcmp(target.memory.data(), expected.memory.data(),
                      target.memory.size() * sizeof(T)) == 0);
  }
}

TEMPLATE_TEST_CASE("panels of any order, stride and type", "[panel]", float, double, bfloat16,
                   half) {
  LORAPRO_TEST_RANDOM(random, 21);
  for (const Index rank : {1, 3, 8})
    for (const Index length : {1, 31, 256, 300, 513}) {
      const Strides row_major{length, 1}, col_major{1, rank}, odd{2, 2 * rank + 1};
      check_round_trip<float, TestType>(random, rank, length, row_major, col_major);
      check_round_trip<double, TestType>(random, rank, length, {length + 7, 1}, odd);
      check_round_trip<float, TestType>(random, rank, length, col_major, row_major);
      check_round_trip<double, TestType>(random, rank, length, {1, rank + 2}, odd);
      check_round_trip<float, TestType>(random, rank, length, odd, col_major);
      check_round_trip<float, TestType>(random, rank, length, {-length, 1}, {1, -rank});
      check_round_trip<double, TestType>(random, rank, length, {length, -1}, row_major);
    }
}

TEST_CASE("an edited panel is the factor itself or is written back", "[panel]") {
  for (const Strides strides : {Strides{300, 1}, Strides{1, 3}, Strides{600, 2}}) {
    Factor<float> factor(3, 300, strides);
    const PanelLayout layout(factor.view);
    std::vector<float> scratch(static_cast<std::size_t>(lorapro::panel_size(3)));
    for (Index panel = 0; panel < layout.count(); ++panel) {
      const Panel<float> values = lorapro::edit_panel(factor.view, layout, panel, scratch.data());
      for (Index row = 0; row < layout.rows(panel); ++row)
        for (Index element = 0; element < layout.row_length(panel); ++element)
          values.data[row * values.stride + element] += 10;
      lorapro::write_panel<float>({values.data, values.stride}, factor.view, layout, panel);
    }
    for (Index k = 0; k < 3; ++k)
      for (Index i = 0; i < 300; ++i)
        if (factor(k, i) != 7) FAIL_CHECK(i);
    Index sevens = 0;
    for (const float value : factor.memory) sevens += value == 7;
    CHECK(sevens == 900);
  }
}

TEST_CASE("write_panel rounds to nearest", "[panel]") {
  const float values[] = {1 + 0x1.0p-8F, 1 + 0x1.8p-7F, 1 + 0x1.1p-8F};
  bfloat16 stored[3];
  const FactorView view{stored, lorapro::StorageType::bf16, 1, 3, 3, 1};
  lorapro::write_panel<float>({values, 3}, view, PanelLayout(view), 0);
  CHECK(static_cast<float>(stored[0]) == 1.0F);  // a tie goes to even
  CHECK(static_cast<float>(stored[1]) == 1 + 0x1.0p-6F);
  CHECK(static_cast<float>(stored[2]) == 1 + 0x1.0p-7F);
}

}  // namespace

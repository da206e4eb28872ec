// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/factor_elements.hpp>

#include <limits>  // std::numeric_limits
#include <vector>  // std::vector

#include "support/catch.hpp"

namespace {

using lorapro::FactorView;

TEST_CASE("zeroing touches the elements of a view alone", "[factor_elements]") {
  std::vector<float> memory(12, 3.0F);
  lorapro::detail::set_zero(
      FactorView{memory.data(), lorapro::StorageType::f32, 2, 2, 6, 2});  // 0, 2, 6, 8
  for (std::size_t i = 0; i < memory.size(); ++i)
    CHECK(memory[i] == (i == 0 || i == 2 || i == 6 || i == 8 ? 0.0F : 3.0F));
}

TEST_CASE("a factor scales a float or double base weight", "[factor_elements]") {
  std::vector<double> base(6, 4.0);
  lorapro::detail::scale_base(base.data(), lorapro::StorageType::f64, 6, 0.25);
  for (const double w : base) CHECK(w == 1.0);
}

TEST_CASE("a factor is zero where all its own elements are", "[factor_elements]") {
  std::vector<float> memory(12, 3.0F);
  const FactorView view{memory.data(), lorapro::StorageType::f32, 2, 2, 6, 2};  // 0, 2, 6, 8
  CHECK_FALSE(lorapro::detail::is_zero(view));
  lorapro::detail::set_zero(view);
  CHECK(lorapro::detail::is_zero(view));
  for (const std::size_t at : {0, 2, 6, 8}) {
    memory[at] = -0.0F;
    CHECK(lorapro::detail::is_zero(view));
    for (const float other : {1e-45F, std::numeric_limits<float>::quiet_NaN()}) {
      memory[at] = other;
      CHECK_FALSE(lorapro::detail::is_zero(view));
    }
    memory[at] = 0;
  }
}

}  // namespace

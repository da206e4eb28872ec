// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/linalg/all_finite.hpp>

#include <limits>  // std::numeric_limits
#include <vector>  // std::vector

#include "support/catch.hpp"

namespace {

using lorapro::bfloat16;
using lorapro::half;
using lorapro::Index;
using lorapro::RowMatrix;

template <typename T>
T from_bits(lorapro::detail::FloatBits<T> bits) {
  T value;
  std::memcpy(static_cast<void*>(&value), &bits, sizeof value);
  return value;
}

/// Infinities and NaNs of both signs and of the smallest and the largest fraction, as bits.
template <typename T>
std::vector<T> not_finite() {
  using Bits = lorapro::detail::FloatBits<T>;
  constexpr auto kInfinity = lorapro::detail::infinity_bits<T>();
  constexpr auto kSign = static_cast<Bits>(Bits{1} << (8 * sizeof(Bits) - 1));
  std::vector<T> out;
  for (const Bits sign : {Bits{0}, kSign})
    for (const Bits bits :
         {kInfinity, static_cast<Bits>(kInfinity + 1U), static_cast<Bits>(~kSign)})
      out.push_back(from_bits<T>(static_cast<Bits>(sign | bits)));
  return out;
}

TEMPLATE_TEST_CASE("all_finite sees what is not finite in any position", "[all_finite]", float,
                   double, bfloat16, half) {
  constexpr auto kInfinity = lorapro::detail::infinity_bits<TestType>();
  using Bits = lorapro::detail::FloatBits<TestType>;
  for (const Index count : {1, 2, 7, 64, 150}) {
    // The largest finite number and the smallest: one more or less and the exponent is all ones.
    std::vector<TestType> values(static_cast<std::size_t>(count),
                                 from_bits<TestType>(static_cast<Bits>(kInfinity - 1U)));
    values[0] = from_bits<TestType>(1);
    CHECK(lorapro::all_finite(values.data(), count));
    CHECK(lorapro::all_finite(values.data(), 0));
    for (const TestType bad : not_finite<TestType>())
      for (TestType& value : values) {
        const TestType saved = value;
        value = bad;
        CHECK_FALSE(lorapro::all_finite(values.data(), count));
        value = saved;
      }
  }
}

template <typename T>
bool finite(const lorapro::FactorView& view) {
  const lorapro::PanelLayout layout(view);
  for (Index panel = 0; panel < layout.count(); ++panel)
    if (!lorapro::panel_is_finite(view, layout, panel)) return false;
  return true;
}

TEMPLATE_TEST_CASE("panel_is_finite sees every element of a factor and no neighbour",
                   "[all_finite]", float, double, bfloat16, half) {
  const TestType bad = not_finite<TestType>()[0];
  using Matrix = Eigen::Matrix<TestType, Eigen::Dynamic, Eigen::Dynamic>;
  for (const Index rank : {1, 3})
    for (const Index length : {1, 255, 300}) {
      CAPTURE(rank, length);
      // Blocks within what is not finite, of both orders.
      RowMatrix<TestType> rows = RowMatrix<TestType>::Constant(rank + 2, length + 2, bad);
      Matrix cols = Matrix::Constant(rank + 2, length + 2, bad);
      rows.block(1, 1, rank, length).setConstant(TestType(1));
      cols.block(1, 1, rank, length).setConstant(TestType(1));
      auto A = rows.block(1, 1, rank, length);
      auto C = cols.block(1, 1, rank, length);
      const RowMatrix<TestType> packed = A;
      for (const auto& view : {lorapro::factor_of_A(lorapro::make_view(A)),
                               lorapro::factor_of_A(lorapro::make_view(C)),
                               lorapro::factor_of_B(lorapro::transposed(lorapro::make_view(A))),
                               lorapro::factor_of_A(lorapro::make_view(packed))})
        CHECK(finite<TestType>(view));
      for (const Index k : {Index{0}, rank - 1})
        for (const Index i : {Index{0}, length / 2, length - 1}) {
          A(k, i) = C(k, i) = bad;
          for (const auto& view :
               {lorapro::factor_of_A(lorapro::make_view(A)),
                lorapro::factor_of_A(lorapro::make_view(C)),
                lorapro::factor_of_B(lorapro::transposed(lorapro::make_view(A)))})
            CHECK_FALSE(finite<TestType>(view));
          A(k, i) = C(k, i) = TestType(1);
        }
    }
}

}  // namespace

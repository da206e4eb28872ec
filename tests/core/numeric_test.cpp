// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/core/numeric.hpp>

#include "support/catch.hpp"

namespace {

using lorapro::bfloat16;
using lorapro::half;

TEMPLATE_TEST_CASE("storage_epsilon is the distance from 1 to the next number", "[numeric]", float,
                   double, bfloat16, half) {
  const double eps = lorapro::storage_epsilon<TestType>();
  CHECK(static_cast<double>(TestType(1 + eps)) == 1 + eps);
  CHECK(static_cast<double>(TestType(1 + eps / 4)) == 1);
}

TEST_CASE("the cutoff follows the storage type", "[numeric]") {
  const double wide = std::numeric_limits<double>::epsilon();
  CHECK(lorapro::cutoff_epsilon(0) == wide);
  CHECK(lorapro::cutoff_epsilon(lorapro::storage_epsilon<double>()) == wide);
  CHECK(lorapro::cutoff_epsilon(lorapro::storage_epsilon<float>()) == 0x1.0p-46);
  CHECK(lorapro::cutoff_epsilon(lorapro::storage_epsilon<bfloat16>()) == 0x1.0p-14);
  CHECK(lorapro::cutoff_epsilon(lorapro::storage_epsilon<half>()) == 0x1.0p-20);
}

TEST_CASE("which types compute and which store", "[numeric]") {
  CHECK(lorapro::is_compute_scalar_v<float>);
  CHECK(lorapro::is_compute_scalar_v<double>);
  CHECK_FALSE(lorapro::is_compute_scalar_v<bfloat16>);
  CHECK_FALSE(lorapro::is_compute_scalar_v<int>);
  CHECK_FALSE(lorapro::is_compute_scalar_v<long double>);
  CHECK(lorapro::is_storage_scalar_v<float>);
  CHECK(lorapro::is_storage_scalar_v<bfloat16>);
  CHECK(lorapro::is_storage_scalar_v<half>);
  CHECK_FALSE(lorapro::is_storage_scalar_v<int>);
  CHECK(lorapro::RowMatrix<float>::IsRowMajor);
}

}  // namespace

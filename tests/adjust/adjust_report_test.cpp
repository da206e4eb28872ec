// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adjust/adjust_report.hpp>

#include "support/catch.hpp"

namespace {

using lorapro::AdjustReport;
using lorapro::AdjustStatus;

TEST_CASE("there is a result where rank was lost, and none of bad numbers", "[adjust_report]") {
  const auto usable = [](AdjustStatus status) {
    AdjustReport report;
    report.status = status;
    return report.usable();
  };
  CHECK(usable(AdjustStatus::ok));
  CHECK(usable(AdjustStatus::rank_deficient));
  CHECK_FALSE(usable(AdjustStatus::non_finite));
  CHECK_FALSE(usable(AdjustStatus::overflow));
}

}  // namespace

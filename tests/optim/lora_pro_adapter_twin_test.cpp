// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/lora_pro_adapter_rule.hpp>

#include "bench/naive/pro_rules.hpp"
#include "support/naive_twin.hpp"

namespace {

template <typename>
using FastAdapter = lorapro::LoraPro<lorapro::AdapterMoments>;

TEST_CASE("LoraPro with adapter moments agrees with its naive twin on random shapes",
          "[lora_pro_adapter_twin]") {
  naive_twin::compare_on_random_shapes<FastAdapter, naive::ProAdapter>(150, 2);
}

}  // namespace

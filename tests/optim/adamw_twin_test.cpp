// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/adamw_rule.hpp>

#include "bench/naive/lora_rules.hpp"
#include "support/naive_twin.hpp"

namespace {

template <typename>
using FastAdamW = lorapro::AdamWRule;

TEST_CASE("AdamW agrees with its naive twin on random shapes", "[adamw_twin]") {
  naive_twin::compare_on_random_shapes<FastAdamW, naive::LoraAdamW>(150, 1);
}

}  // namespace

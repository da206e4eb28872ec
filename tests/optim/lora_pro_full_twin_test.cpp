// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/lora_pro_full_rule.hpp>

#include "bench/naive/pro_rules.hpp"
#include "support/naive_twin.hpp"

namespace {

template <typename Scalar>
using FastFull = lorapro::LoraPro<lorapro::FullMoments<Scalar>>;

TEST_CASE("LoraPro full agrees with its naive twin on random shapes", "[lora_pro_full_twin]") {
  naive_twin::compare_on_random_shapes<FastFull, naive::ProFull>(150, 3);
}

}  // namespace

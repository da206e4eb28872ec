// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/muon_rule.hpp>

#include "support/step_case.hpp"

namespace {

bench::Work work(const bench::Shape& shape) {
  const auto r = static_cast<double>(shape.rank);
  bench::Work result;
  result.flops = 7 * shape.adapter_products() + 22 * r * r * r;
  result.bytes = 28 * shape.adapter_elements();
  result.least_f64 = shape.adapter_products();  // one symmetric product
  result.least_f32 = 2 * shape.adapter_products();
  return result;
}

const bool registered = bench::add_all([] {
  bench::add_library_steps<lorapro::MuonRule>("lora_muon/f32", work, bench::max_threads());
});

}  // namespace

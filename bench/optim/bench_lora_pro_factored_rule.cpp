// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/lora_pro_factored_rule.hpp>

#include "support/step_case.hpp"

namespace {

bench::Work work(const bench::Shape& shape) {
  const auto r = static_cast<double>(shape.rank);
  bench::Work result;
  result.flops = 35 * shape.adapter_products() + 200 * r * r * r;
  result.bytes = 36 * shape.adapter_elements();
  // Three symmetric products and three of two matrices.
  result.least_f64 = 13 * shape.adapter_products();
  result.least_f32 = 22 * shape.adapter_products();
  return result;
}

const bool registered = bench::add_all([] {
  bench::add_library_steps<lorapro::LoraPro<lorapro::FactoredMoments>>("factored/f32", work,
                                                                       bench::max_threads());
});

}  // namespace

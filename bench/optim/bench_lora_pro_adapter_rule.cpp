// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/lora_pro_adapter_rule.hpp>

#include "bench/naive/pro_rules.hpp"
#include "support/step_case.hpp"

namespace {

bench::Work work(const bench::Shape& shape) {
  const auto r = static_cast<double>(shape.rank);
  bench::Work result;
  result.flops = 7 * shape.adapter_products() + 38 * r * r * r + 16 * shape.adapter_elements();
  result.bytes = 36 * shape.adapter_elements();
  result.least_f64 = 3 * shape.adapter_products();  // two symmetric products and the cross products
  result.least_f32 = 4 * shape.adapter_products();
  return result;
}

const bool registered = bench::add_all([] {
  bench::add_library_steps<lorapro::LoraPro<lorapro::AdapterMoments>>("adapter/f32", work,
                                                                      bench::max_threads());
  bench::add_naive_steps<naive::ProAdapter<float>>("adapter", work);
});

}  // namespace

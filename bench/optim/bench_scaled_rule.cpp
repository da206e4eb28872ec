// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/lion_rule.hpp>
#include <lorapro/optim/scaled_rule.hpp>

#include "support/step_case.hpp"

namespace {

bench::Work scaled_work(const bench::Shape& shape) {
  const auto r = static_cast<double>(shape.rank);
  bench::Work result;
  result.flops = 5 * shape.adapter_products() + 20 * r * r * r + 16 * shape.adapter_elements();
  result.bytes = 36 * shape.adapter_elements();
  result.least_f64 = 3 * shape.adapter_products();
  result.least_f32 = 2 * shape.adapter_products();
  return result;
}

bench::Work lion_work(const bench::Shape& shape) {
  bench::Work result;
  result.flops = 9 * shape.adapter_elements();
  result.bytes = 20 * shape.adapter_elements();
  return result;
}

const bool registered = bench::add_all([] {
  bench::add_library_steps<lorapro::ScaledAdamWRule>("scaled_adamw/f32", scaled_work,
                                                     bench::max_threads());
  bench::add_library_steps<lorapro::LionRule>("lion/f32", lion_work, bench::max_threads());
});

}  // namespace

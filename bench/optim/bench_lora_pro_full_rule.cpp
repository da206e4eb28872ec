// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/lora_pro_full_rule.hpp>

#include "bench/naive/pro_rules.hpp"
#include "support/step_case.hpp"

namespace {

bench::Work work(const bench::Shape& shape, double moment_bytes) {
  const double products = 8 * static_cast<double>(shape.rank) * shape.elements();
  bench::Work result;
  result.flops = products + 14 * shape.elements() + 12 * shape.adapter_products();
  result.bytes = 4 * moment_bytes * shape.elements();
  result.least_f32 = products;
  result.least_bytes = result.bytes;
  return result;
}

template <typename Storage>
using Rule = lorapro::LoraPro<lorapro::FullMoments<Storage>>;

const bool registered = bench::add_all([] {
  const auto f32 = [](const bench::Shape& shape) { return work(shape, 4); };
  const auto bf16 = [](const bench::Shape& shape) { return work(shape, 2); };
  bench::add_library_steps<Rule<float>>("full/f32", f32, bench::max_threads());
  bench::add_library_steps<Rule<lorapro::bfloat16>>("full/bf16", bf16, 1);
  bench::add_naive_steps<naive::ProFull<float>>("full", f32);
});

}  // namespace

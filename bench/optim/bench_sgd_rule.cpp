// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/sgd_rule.hpp>

#include "bench/naive/lora_rules.hpp"
#include "support/step_case.hpp"

namespace {

bench::Work work(const bench::Shape& shape) {
  bench::Work result;
  result.flops = 3 * shape.adapter_elements();
  result.bytes = 12 * shape.adapter_elements();
  return result;
}

const bool registered = bench::add_all([] {
  bench::add_library_steps<lorapro::SgdRule>("lora_sgd/f32", work, 1);
  bench::add_naive_steps<naive::LoraSgd<float>>("lora_sgd", work);
});

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// Rules of other papers on low-rank adapters.
#include <lorapro/optim/adaprelora_rule.hpp>
#include <lorapro/optim/altlora_rule.hpp>
#include <lorapro/optim/loft_rule.hpp>
#include <lorapro/optim/lora_fa_rule.hpp>
#include <lorapro/optim/lora_muon_rule.hpp>
#include <lorapro/optim/lora_rite_rule.hpp>
#include <lorapro/optim/reflora_rule.hpp>
#include <lorapro/optim/reflora_s_rule.hpp>

#include "support/step_case.hpp"

namespace {

/// \param products  r^2 (m + n) flops in double, then in float; elementwise flops; bytes an element.
bench::Work work(const bench::Shape& shape, double in_double, double in_float, double cubes,
                 double elementwise, double bytes) {
  const auto r = static_cast<double>(shape.rank);
  bench::Work result;
  result.flops = (in_double + in_float) * shape.adapter_products() + cubes * r * r * r +
                 elementwise * shape.adapter_elements();
  result.bytes = bytes * shape.adapter_elements();
  result.least_f64 = in_double * shape.adapter_products();
  result.least_f32 = in_float * shape.adapter_products();
  return result;
}

bench::Work loft_work(const bench::Shape& shape) {
  const auto r = static_cast<double>(shape.rank);
  bench::Work result = work(shape, 5 + 4 * r, 8, 35, 4, 48 + 8 * r);
  const double tiles = 2 * r * r * shape.elements();
  result.flops += tiles;
  result.least_f64 += tiles;
  return result;
}

const bool registered = bench::add_all([] {
  const int threads = bench::max_threads();
  bench::add_library_steps<lorapro::LoraFaRule>(
      "lora_fa/f32", [](const bench::Shape& shape) { return work(shape, 3, 1, 20, 8, 24); },
      threads);
  bench::add_library_steps<lorapro::ImuonRule>(
      "imuon/f32", [](const bench::Shape& shape) { return work(shape, 4, 4, 50, 6, 32); }, threads);
  bench::add_library_steps<lorapro::RefLoraRule<0>>(
      "reflora/f32", [](const bench::Shape& shape) { return work(shape, 3, 2, 45, 16, 36); },
      threads);
  bench::add_library_steps<lorapro::RefLoraSRule<0>>(
      "reflora_s/f32", [](const bench::Shape& shape) { return work(shape, 0, 0, 0, 28, 60); },
      threads);
  bench::add_library_steps<lorapro::AltLoraPlusRule>(
      "altlora_plus/f32", [](const bench::Shape& shape) { return work(shape, 4, 4, 22, 10, 32); },
      threads);
  bench::add_library_steps<lorapro::AdaPreLoraRule>(
      "adaprelora/f32", [](const bench::Shape& shape) { return work(shape, 5, 8, 90, 20, 48); },
      threads);
  bench::add_library_steps<lorapro::LoraRiteRule>(
      "lora_rite/f32", [](const bench::Shape& shape) { return work(shape, 6, 4, 100, 4, 48); },
      threads);
  for (const bench::Shape& shape : bench::step_shapes())
    for (int count = 1; count <= threads && shape.rank <= lorapro::LoftRule::kMaxRank; ++count)
      bench::add(
          "step/loft/f32/" + shape.name(), loft_work(shape),
          [=] { return bench::library_step<lorapro::LoftRule>(shape, count); }, count);
});

}  // namespace

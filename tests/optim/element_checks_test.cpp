// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/element_checks.hpp>

#include <limits>  // std::numeric_limits
#include <vector>  // std::vector

#include "support/catch.hpp"

namespace {

using lorapro::AdjustStatus;
using lorapro::Index;

/// One factor of 2 x 300 numbers, all 1, with a gradient of 2.
struct Checked {
  Checked() : value(600, 1.0F), grad(600, 2.0F), scalars(512), wide(512) {
    for (auto [view, memory] : {std::pair{&factor.value, &value}, std::pair{&factor.grad, &grad}})
      *view = {memory->data(), lorapro::StorageType::f32, 2, 300, 300, 1};
    context.grad_scale = 0.5;
  }
  lorapro::Preparation prepare(double limit = 10) {
    const lorapro::Scratch<float> scratch{lorapro::WorkspaceOf<float>(scalars),
                                          lorapro::Workspace(wide)};
    return lorapro::prepare_elements({&factor, &factor}, limit, context,
                                     lorapro::Team<float>(&scratch, 1));
  }
  AdjustStatus status(double limit = 10) { return prepare(limit).report.status; }

  std::vector<float> value, grad;
  lorapro::Buffer<float> scalars;
  lorapro::Buffer<lorapro::Wide> wide;
  lorapro::Factor factor;
  lorapro::StepContext context;
};

TEST_CASE("elements are checked wherever they are", "[element_checks]") {
  const float bad[] = {std::numeric_limits<float>::infinity(),
                       std::numeric_limits<float>::quiet_NaN()};
  for (const float x : bad)
    for (const std::size_t at : {0, 255, 256, 599}) {
      CAPTURE(x, at);
      Checked c;
      CHECK(c.status() == AdjustStatus::ok);
      c.grad[at] = x;
      CHECK(c.status() == AdjustStatus::non_finite);
      c.grad[at] = 2;
      c.value[at] = x;
      CHECK(c.status() == AdjustStatus::non_finite);
    }
}

TEST_CASE("gradients are limited as they are scaled, values by their type", "[element_checks]") {
  Checked c;
  c.grad[299] = -20;  // 10 once it is scaled
  CHECK(c.status(10.5) == AdjustStatus::ok);
  CHECK(c.status(9.5) == AdjustStatus::overflow);
  c.value[300] = 0.75F * std::numeric_limits<float>::max();
  CHECK(c.status(10.5) == AdjustStatus::overflow);
}

TEST_CASE("the norm is that of the scaled gradients, where it is asked for", "[element_checks]") {
  Checked c;
  CHECK(c.prepare().squared_norm == 0);
  c.context.clip_norm = lorapro::ClipNorm::adapter;
  CHECK(c.prepare().squared_norm == 2 * 600 * 1.0);
}

}  // namespace

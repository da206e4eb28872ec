// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
// A translation unit of its own: it compiles every rule.
#include "support/torch_engines.hpp"

#include <lorapro/adapters/torch/engines_float.hpp>

namespace {

TEST_CASE("every rule steps tensors of float as the library's optimizer steps buffers",
          "[torch_engines_float]") {
  support::compare_with_buffers<float>(GENERATE(from_range(lorapro::rule_names())));
}

}  // namespace

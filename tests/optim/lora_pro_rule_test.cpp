// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/lora_pro_rule.hpp>

#include <lorapro/lorapro.hpp>

#include <type_traits>  // std::is_same_v

#include "support/catch.hpp"

namespace {

using lorapro::AdapterMoments;
using lorapro::FullMoments;
using lorapro::LoraPro;
using lorapro::LoraProOptimizer;
using lorapro::NoMoments;
using lorapro::Optimizer;
using lorapro::SpectralMoments;

static_assert(std::is_same_v<LoraProOptimizer<float>, Optimizer<float, LoraPro<SpectralMoments>>>);
static_assert(
    std::is_same_v<LoraProOptimizer<double>, Optimizer<double, LoraPro<SpectralMoments>>>);
static_assert(std::is_same_v<LoraProOptimizer<float, AdapterMoments>,
                             Optimizer<float, LoraPro<AdapterMoments>>>);

TEST_CASE("the moments of a LoraProOptimizer decide its state", "[lora_pro_rule]") {
  float A[12] = {}, B[20] = {}, grad_A[12] = {}, grad_B[20] = {};
  const auto view = lorapro::row_major_view(A, B, grad_A, grad_B, 10, 6, 2, 1.0);
  const auto bytes = [&](auto optimizer) {
    optimizer.attach(view);
    return optimizer.state_bytes();
  };
  CHECK(bytes(LoraProOptimizer<float, NoMoments>()) == 0);
  CHECK(bytes(LoraProOptimizer<float, AdapterMoments>()) == 2 * 4 * (12 + 20));
  CHECK(bytes(LoraProOptimizer<float>()) == 4 * (12 + 20));
  CHECK(bytes(LoraProOptimizer<float, FullMoments<>>()) == 2 * 4 * 10 * 6);
  CHECK(bytes(LoraProOptimizer<float, FullMoments<lorapro::bfloat16>>()) == 2 * 2 * 10 * 6);
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/layer/int8_weight.hpp>
#include <lorapro/layer/lora_layer.hpp>
#include <lorapro/layer/olora_init.hpp>

#include <limits>  // std::numeric_limits

#include "support/golden_case.hpp"
#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::BaseWeight;
using lorapro::LoraLayer;
using lorapro::OLoraInit;
using support::golden_deviation;
using support::GoldenCase;
using support::kGoldenTolerance;
using OLoraMatrix = lorapro::RowMatrix<double>;

TEMPLATE_TEST_CASE("OLoRA starts as in the reference cases", "[olora_init]", float, double) {
  for (const std::string& path : support::golden_cases("olora")) {
    CAPTURE(path);
    const GoldenCase reference(path);
    const LoraLayer<TestType> layer(BaseWeight<TestType>::own(reference.matrix_of<TestType>("W")),
                                    reference.config(), nullptr, OLoraInit{});
    const double bound = kGoldenTolerance<TestType>;
    CHECK(golden_deviation(layer.lora_A(), reference.matrix("A")) <= bound);
    CHECK(golden_deviation(layer.lora_B(), reference.matrix("B")) <= bound);
    CHECK(golden_deviation(layer.base_weight().matrix(), reference.matrix("W_new")) <= bound);
  }
}

TEST_CASE("OLoRA takes columns that depend on each other", "[olora_init]") {
  LORAPRO_TEST_RANDOM(random, 3111);
  OLoraMatrix W = reference::rounded<double>(random.matrix(9, 12));
  W.col(1) = 2 * W.col(0);
  lorapro::LoraConfig config;
  config.rank = 3;
  config.lora_alpha = 3;
  LoraLayer<double> layer(BaseWeight<double>::own(W), config, nullptr, OLoraInit{});
  CHECK((layer.lora_B().transpose() * layer.lora_B() - OLoraMatrix::Identity(3, 3)).norm() <=
        1e-14);
  CHECK((layer.forward(OLoraMatrix::Identity(12, 12).eval()).transpose() - W).norm() <=
        1e-14 * W.norm());
}

TEST_CASE("what OLoRA cannot start from is refused", "[olora_init]") {
  OLoraMatrix W = OLoraMatrix::Ones(9, 4);
  lorapro::LoraConfig config;
  config.rank = 5;
  const auto start = [&] {
    LoraLayer<double>(BaseWeight<double>::own(W), config, nullptr, OLoraInit{});
  };
  CHECK_THROWS_WITH(start(), "rank: expected at most 4 for OLoRA of (9, 4), got 5");
  CHECK_THROWS_WITH((LoraLayer<float, lorapro::Int8Weight>(lorapro::Int8Weight::quantize(W), config,
                                                           nullptr, OLoraInit{})),
                    "base_weight: expected a floating-point W0 for OLoRA, which changes it, got "
                    "int8");
  config.rank = 2;
  W(7, 1) = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(start(), "base_weight: expected finite numbers, got another at (7, 1)");
  W(7, 1) = 0;
  W(7, 3) = std::numeric_limits<double>::infinity();
  CHECK_THROWS_WITH(start(), "base_weight: expected finite numbers, got another in column 3");
}

}  // namespace

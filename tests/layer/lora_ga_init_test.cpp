// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/layer/lora_ga_init.hpp>
#include <lorapro/layer/lora_layer.hpp>
#include <lorapro/layer/nf4_weight.hpp>

#include "support/golden_case.hpp"
#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::BaseWeight;
using lorapro::LoraGaInit;
using lorapro::LoraLayer;
using support::golden_deviation;
using support::GoldenCase;
using support::kGoldenTolerance;
using GaMatrix = lorapro::RowMatrix<double>;

TEMPLATE_TEST_CASE("LoRA-GA starts as in the reference cases", "[lora_ga_init]", float, double) {
  for (const std::string& path : support::golden_cases("lora_ga"))
    for (const bool randomized : {false, true}) {
      CAPTURE(path, randomized);
      const GoldenCase reference(path);
      const auto G = reference.matrix_of<TestType>("G");
      LoraGaInit<TestType> init{lorapro::make_view(G), reference.number("gamma")};
      if (randomized) init.randomized = lorapro::RandomizedSvd{};
      const LoraLayer<TestType> layer(BaseWeight<TestType>::own(reference.matrix_of<TestType>("W")),
                                      reference.config(), nullptr, init);
      const double bound = kGoldenTolerance<TestType>;
      CHECK(golden_deviation(layer.lora_A(), reference.matrix("A")) <= bound);
      CHECK(golden_deviation(layer.lora_B(), reference.matrix("B")) <= bound);
      CHECK(golden_deviation(layer.base_weight().matrix(), reference.matrix("W_new")) <= bound);
    }
}

TEST_CASE("what LoRA-GA cannot start from is refused", "[lora_ga_init]") {
  const GaMatrix W = GaMatrix::Identity(6, 7), G = GaMatrix::Ones(6, 7), other = GaMatrix(7, 6);
  lorapro::LoraConfig config;
  config.rank = 4;
  const auto start = [&](const LoraGaInit<double>& init) {
    LoraLayer<double>(BaseWeight<double>::own(W), config, nullptr, init);
  };
  CHECK_THROWS_WITH(start({lorapro::make_view(G)}),
                    "rank: expected at most 3 for LoRA-GA of (6, 7), got 4");
  config.rank = 3;
  CHECK_NOTHROW(start({lorapro::make_view(G)}));
  CHECK_THROWS_WITH(start({lorapro::make_view(other)}), "gradient: expected (6, 7), got (7, 6)");
  CHECK_THROWS_WITH(start({lorapro::make_view(G), 0}),
                    "gamma: expected a finite number > 0, got 0");
  CHECK_THROWS_WITH(
      (LoraLayer<double, lorapro::Nf4Weight>(lorapro::Nf4Weight::quantize(W), config, nullptr,
                                             LoraGaInit<double>{lorapro::make_view(G)})),
      "base_weight: expected a floating-point W0 for LoRA-GA, which changes it, got nf4");
}

}  // namespace

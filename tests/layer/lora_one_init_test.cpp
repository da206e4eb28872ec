// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/layer/lora_layer.hpp>
#include <lorapro/layer/lora_one_init.hpp>
#include <lorapro/layer/nf4_weight.hpp>

#include "support/golden_case.hpp"
#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::BaseWeight;
using lorapro::LoraLayer;
using lorapro::LoraOneInit;
using support::golden_deviation;
using support::GoldenCase;
using support::kGoldenTolerance;
using OneMatrix = lorapro::RowMatrix<double>;

TEMPLATE_TEST_CASE("LoRA-One starts as in the reference cases", "[lora_one_init]", float, double) {
  for (const std::string& path : support::golden_cases("lora_one"))
    for (const bool randomized : {false, true}) {
      CAPTURE(path, randomized);
      const GoldenCase reference(path);
      const auto G = reference.matrix_of<TestType>("G");
      LoraOneInit<TestType> init{lorapro::make_view(G), reference.number("gamma")};
      if (randomized) init.randomized = lorapro::RandomizedSvd{};
      const OneMatrix W = OneMatrix::Identity(G.rows(), G.cols());
      // W0 is not changed: it may be read-only, or quantised.
      const LoraLayer<TestType, lorapro::Nf4Weight> layer(lorapro::Nf4Weight::quantize(W),
                                                          reference.config(), nullptr, init);
      const double bound = kGoldenTolerance<TestType>;
      CHECK(golden_deviation(layer.lora_A(), reference.matrix("A")) <= bound);
      CHECK(golden_deviation(layer.lora_B(), reference.matrix("B")) <= bound);
      const OneMatrix product = layer.scaling() * layer.lora_B().template cast<double>() *
                                layer.lora_A().template cast<double>();
      CHECK(golden_deviation(product, reference.matrix("sBA")) <= bound);
      // A step against the gradient.
      CHECK(product.cwiseProduct(reference.matrix("G")).sum() < 0);
    }
}

TEST_CASE("what LoRA-One cannot start from is refused", "[lora_one_init]") {
  const OneMatrix W = OneMatrix::Identity(6, 7), G = OneMatrix::Ones(6, 7),
                  none = OneMatrix::Zero(6, 7);
  lorapro::LoraConfig config;
  config.rank = 7;
  const auto start = [&](const LoraOneInit<double>& init) {
    LoraLayer<double>(BaseWeight<double>::map(W), config, nullptr, init);
  };
  CHECK_THROWS_WITH(start({lorapro::make_view(G)}),
                    "rank: expected at most 6 for LoRA-One of (6, 7), got 7");
  config.rank = 2;
  CHECK_NOTHROW(start({lorapro::make_view(G)}));
  CHECK_THROWS_WITH(start({lorapro::make_view(none)}),
                    "gradient: expected one that is not 0, got 0");
  CHECK_THROWS_WITH(start({lorapro::make_view(G), -1}),
                    "gamma: expected a finite number > 0, got -1");
}

}  // namespace

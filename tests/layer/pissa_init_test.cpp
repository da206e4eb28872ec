// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/layer/lora_layer.hpp>
#include <lorapro/layer/nf4_weight.hpp>
#include <lorapro/layer/pissa_init.hpp>

#include <limits>  // std::numeric_limits

#include "support/golden_case.hpp"
#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::BaseWeight;
using lorapro::Index;
using lorapro::LoraConfig;
using lorapro::LoraLayer;
using lorapro::PissaInit;
using lorapro::RandomizedSvd;
using support::golden_deviation;
using support::GoldenCase;
using support::kGoldenTolerance;
using PissaMatrix = lorapro::RowMatrix<double>;

LoraConfig pissa_config(Index rank) {
  LoraConfig config;
  config.rank = rank;
  config.lora_alpha = 2.0 * static_cast<double>(rank);
  return config;
}

TEMPLATE_TEST_CASE("PiSSA starts as in the reference cases", "[pissa_init]", float, double) {
  for (const std::string& path : support::golden_cases("pissa"))
    for (const bool randomized : {false, true}) {
      CAPTURE(path, randomized);
      const GoldenCase reference(path);
      PissaInit init;
      // The sample of 3 + 10 vectors is all of these weights.
      if (randomized) init.randomized = RandomizedSvd{};
      const LoraLayer<TestType> layer(BaseWeight<TestType>::own(reference.matrix_of<TestType>("W")),
                                      reference.config(), nullptr, init);
      const double bound = kGoldenTolerance<TestType>;
      CHECK(golden_deviation(layer.lora_A(), reference.matrix("A")) <= bound);
      CHECK(golden_deviation(layer.lora_B(), reference.matrix("B")) <= bound);
      CHECK(golden_deviation(layer.base_weight().matrix(), reference.matrix("W_new")) <= bound);
    }
}

TEST_CASE("a layer that starts with PiSSA computes what W0 did", "[pissa_init]") {
  LORAPRO_TEST_RANDOM(random, 3101);
  const PissaMatrix W = reference::rounded<double>(random.matrix(40, 30));
  for (const double alpha : {10.0, -10.0}) {
    LoraConfig config = pissa_config(5);
    config.lora_alpha = alpha;
    LoraLayer<double> layer(BaseWeight<double>::own(W), config, nullptr,
                            PissaInit{RandomizedSvd{}});
    CHECK((layer.forward(PissaMatrix::Identity(30, 30).eval()).transpose() - W).norm() <=
          1e-14 * W.norm());
    // Equal shares: A A^T = B^T B.
    CHECK(
        (layer.lora_A() * layer.lora_A().transpose() - layer.lora_B().transpose() * layer.lora_B())
            .norm() <= 1e-13 * W.norm());
  }
}

TEST_CASE("PiSSA of a W0 of fewer bits leaves what they round", "[pissa_init]") {
  LORAPRO_TEST_RANDOM(random, 3102);
  const auto W = reference::rounded<lorapro::bfloat16>(random.matrix(20, 30));
  LoraLayer<float, lorapro::bfloat16> layer(BaseWeight<lorapro::bfloat16>::own(W), pissa_config(4),
                                            nullptr, PissaInit{});
  const PissaMatrix whole = W.cast<double>();
  const PissaMatrix now = 2 * layer.lora_B().cast<double>() * layer.lora_A().cast<double>() +
                          layer.base_weight().matrix().cast<double>();
  CHECK((now - whole).norm() <= 1.0 / 256 * whole.norm());
}

TEST_CASE("what PiSSA cannot start from is refused", "[pissa_init]") {
  const auto start = [](PissaMatrix W, Index rank, const PissaInit& init = {}) {
    LoraLayer<double>(BaseWeight<double>::own(W), pissa_config(rank), nullptr, init);
  };
  PissaMatrix W = PissaMatrix::Ones(4, 6);
  CHECK_THROWS_WITH(start(W, 5), "rank: expected at most 4 for PiSSA of (4, 6), got 5");
  CHECK_THROWS_WITH((LoraLayer<float, lorapro::Nf4Weight>(lorapro::Nf4Weight::quantize(W),
                                                          pissa_config(2), nullptr, PissaInit{})),
                    "base_weight: expected a floating-point W0 for PiSSA, which changes it, got "
                    "nf4");
  W(2, 3) = std::numeric_limits<double>::infinity();
  CHECK_THROWS_WITH(start(W, 2), "base_weight: expected finite numbers, got another at (2, 3)");
  CHECK_THROWS_WITH(start(W, 2, PissaInit{RandomizedSvd{}}),
                    "base_weight: matrix: expected finite numbers, got one that is not");
  const PissaMatrix read_only = PissaMatrix::Identity(3, 3);
  CHECK_THROWS_WITH(
      LoraLayer<double>(BaseWeight<double>::map(read_only), pissa_config(2), nullptr, PissaInit{}),
      "base_weight: expected a writable W0 to merge into, got a read-only one");
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/adapter_module.hpp>

#include "support/adapter_modules.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::ConfigError;
using lorapro::io::AdapterModule;
using lorapro::io::path_before;

TEMPLATE_TEST_CASE("a layer as a module", "[adapter_module]", float, double) {
  lorapro::LoraConfig config;
  config.rank = 3;
  config.lora_alpha = 4.5;
  config.use_rslora = true;
  const lorapro::RowMatrix<TestType> W = lorapro::RowMatrix<TestType>::Zero(5, 7);
  lorapro::LoraLayer<TestType> layer(lorapro::BaseWeight<TestType>::map(W.data(), 5, 7), config);
  layer.lora_B().setConstant(TestType(0.1));
  const AdapterModule module = lorapro::io::adapter_module("a.b", layer);
  CHECK(module.path == "a.b");
  CHECK(module.out_features == 5);
  CHECK(module.in_features == 7);
  CHECK(module.rank == 3);
  CHECK(module.scaling() == layer.scaling());
  CHECK(module.lora_A() == layer.lora_A().template cast<float>());
  CHECK(module.lora_B() == layer.lora_B().template cast<float>());
  layer.lora_B().setZero();
  CHECK(module.lora_B().isZero());  // read when it is asked for
}

TEST_CASE("a layer of double whose factors float does not hold", "[adapter_module]") {
  LORAPRO_TEST_RANDOM(random, 5);
  lorapro::LoraConfig config;
  config.rank = 2;
  const lorapro::RowMatrix<double> W = lorapro::RowMatrix<double>::Zero(5, 7);
  lorapro::LoraLayer<double> layer(lorapro::BaseWeight<double>::map(W.data(), 5, 7), config);
  layer.lora_A() = random.matrix(2, 7).cast<double>();
  layer.lora_B() = 1e-60 * random.matrix(5, 2).cast<double>();
  const AdapterModule module = lorapro::io::adapter_module("a.b", layer);
  const lorapro::RowMatrix<double> exact = layer.lora_B() * layer.lora_A();
  CHECK((module.lora_B().cast<double>() * module.lora_A().cast<double>() - exact).norm() <=
        1e-6 * exact.norm());
  layer.lora_A() *= 1e-60;
  CHECK_THROWS_WITH(module.lora_A(), "a.b: expected finite factors whose product float can hold");
  layer.lora_A() *= 1e200;
  CHECK_THROWS_AS(module.lora_B(), ConfigError);
}

TEST_CASE("the difference from where training began, at twice the rank", "[adapter_module]") {
  LORAPRO_TEST_RANDOM(random, 3);
  for (const bool rslora : {false, true}) {
    const auto trained = support::random_module(random, "m", 6, 5, 3, 7, rslora);
    const auto initial = support::random_module(random, "m", 6, 5, 3, 7, rslora);
    const auto difference = difference_module(trained, initial);
    CHECK(difference.rank == 6);
    CHECK(difference.lora_A().rows() == 6);
    CHECK(difference.lora_B().cols() == 6);
    CHECK(difference.scaling() == Approx(trained.scaling()).epsilon(1e-15));
    const support::RealMatrix expected = support::delta(trained) - support::delta(initial);
    CHECK(support::distance(support::delta(difference), expected) <=
          support::tolerance<double>(4, 6, 1, 100));
  }
}

TEST_CASE("a difference of modules that do not belong together", "[adapter_module]") {
  LORAPRO_TEST_RANDOM(random, 4);
  const auto trained = support::random_module(random, "m", 6, 5, 3, 7);
  for (const auto& initial : {support::random_module(random, "n", 6, 5, 3, 7),
                              support::random_module(random, "m", 5, 5, 3, 7),
                              support::random_module(random, "m", 6, 6, 3, 7),
                              support::random_module(random, "m", 6, 5, 2, 7),
                              support::random_module(random, "m", 6, 5, 3, 8)})
    CHECK_THROWS_AS(difference_module(trained, initial), ConfigError);
}

TEST_CASE("paths in the order of their numbers", "[adapter_module]") {
  const std::vector<std::string> ordered{"a",           "layers.2",    "layers.2.k", "layers.2.q",
                                         "layers.10.k", "layers.10.q", "layersx",    "lm_head"};
  for (std::size_t i = 0; i < ordered.size(); ++i)
    for (std::size_t j = 0; j < ordered.size(); ++j) {
      CAPTURE(ordered[i], ordered[j]);
      CHECK(path_before(ordered[i], ordered[j]) == (i < j));
    }
}

}  // namespace

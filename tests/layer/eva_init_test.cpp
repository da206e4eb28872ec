// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/layer/eva_init.hpp>
#include <lorapro/layer/lora_layer.hpp>
#include <lorapro/layer/nf4_weight.hpp>

#include "support/golden_case.hpp"
#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::EvaInit;
using lorapro::Index;
using lorapro::LoraLayer;
using lorapro::PrincipalComponents;
using support::golden_deviation;
using support::GoldenCase;
using support::kGoldenTolerance;
using EvaMatrix = lorapro::RowMatrix<double>;

/// Over a W0 that is not changed, and quantised.
template <typename Scalar>
LoraLayer<Scalar, lorapro::Nf4Weight> eva_layer(const GoldenCase& reference,
                                                const PrincipalComponents& inputs,
                                                bool whiten = false) {
  const EvaMatrix W = EvaMatrix::Identity(static_cast<Index>(reference.number("m")),
                                          static_cast<Index>(reference.number("n")));
  return {lorapro::Nf4Weight::quantize(W), reference.config(), nullptr, EvaInit{inputs, whiten}};
}

TEMPLATE_TEST_CASE("EVA of all inputs starts as in the reference cases", "[eva_init]", float,
                   double) {
  for (const std::string& path : support::golden_cases("eva_exact")) {
    CAPTURE(path);
    const GoldenCase reference(path);
    const auto x = reference.matrix_of<TestType>("x_0");
    PrincipalComponents inputs(x.cols(), x.cols()), uncentred(x.cols(), x.cols(), false);
    inputs.add(x);
    uncentred.add(x);
    const double bound = kGoldenTolerance<TestType>;
    const auto layer = eva_layer<TestType>(reference, inputs);
    CHECK(golden_deviation(layer.lora_A(), reference.matrix("A")) <= bound);
    CHECK((layer.lora_B().array() == 0).all());
    CHECK(golden_deviation(eva_layer<TestType>(reference, inputs, true).lora_A(),
                           reference.matrix("A_whitened")) <= bound);
    CHECK(golden_deviation(eva_layer<TestType>(reference, uncentred).lora_A(),
                           reference.matrix("A_uncentred")) <= bound);
  }
}

TEMPLATE_TEST_CASE("EVA of batches starts as in the reference cases", "[eva_init]", float, double) {
  for (const std::string& path : support::golden_cases("eva_truncated")) {
    CAPTURE(path);
    const GoldenCase reference(path);
    PrincipalComponents inputs(static_cast<Index>(reference.number("n")),
                               static_cast<Index>(reference.number("components")));
    for (const char* const x : {"x_0", "x_1", "x_2"}) inputs.add(reference.matrix_of<TestType>(x));
    const auto layer = eva_layer<TestType>(reference, inputs);
    CHECK(golden_deviation(layer.lora_A(), reference.matrix("A")) <= kGoldenTolerance<TestType>);
    CHECK((layer.lora_B().array() == 0).all());
  }
}

TEST_CASE("what EVA cannot start from is refused", "[eva_init]") {
  const EvaMatrix W = EvaMatrix::Identity(5, 4);
  lorapro::LoraConfig config;
  config.rank = 3;
  const auto start = [&](const EvaInit& init) {
    LoraLayer<double>(lorapro::BaseWeight<double>::map(W), config, nullptr, init);
  };
  CHECK_THROWS_WITH(start({PrincipalComponents(5, 3)}),
                    "inputs: expected 4 features, as W0 has, got 5");
  PrincipalComponents inputs(4, 3);
  inputs.add(EvaMatrix::Identity(2, 4));
  CHECK_THROWS_WITH(start({inputs}),
                    "rank: expected at most 2, the components of the inputs, got 3");
  config.rank = 2;
  CHECK_NOTHROW(start({inputs}));
  PrincipalComponents still(4, 3);
  still.add(EvaMatrix::Ones(3, 4));
  CHECK_THROWS_WITH(start({still, true}),
                    contains_text("singular_values: expected a number > 0 to whiten by, got 0"));
}

}  // namespace

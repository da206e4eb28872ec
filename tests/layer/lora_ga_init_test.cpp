// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/layer/lora_ga_init.hpp>
#include <lorapro/layer/lora_layer.hpp>
#include <lorapro/layer/nf4_weight.hpp>

#include <Eigen/SVD>  // JacobiSVD
#include <array>      // std::array
#include <tuple>      // std::tuple

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

TEST_CASE("LoRA-GA takes the singular vectors that its direction names", "[lora_ga_init]") {
  LORAPRO_TEST_RANDOM(random, 61);
  const GaMatrix G = reference::rounded<double>(random.matrix(9, 7));
  const GaMatrix W = reference::rounded<double>(random.matrix(9, 7));
  const Eigen::JacobiSVD<Eigen::MatrixXd> svd(G, Eigen::ComputeThinU | Eigen::ComputeThinV);
  lorapro::LoraConfig config;
  config.rank = 3;
  using Direction = lorapro::LoraGaDirection;
  using Vectors = std::array<int, 3>;
  for (const auto& [direction, of_A, of_B] :
       {std::tuple{Direction::ArB2r, Vectors{0, 1, 2}, Vectors{3, 4, 5}},
        std::tuple{Direction::A2rBr, Vectors{3, 4, 5}, Vectors{0, 1, 2}},
        std::tuple{Direction::ArBr, Vectors{1, 3, 5}, Vectors{0, 2, 4}}}) {
    CAPTURE(static_cast<int>(direction));
    LoraGaInit<double> init{lorapro::make_view(G), 4};
    init.direction = direction;
    const LoraLayer<double> layer(BaseWeight<double>::own(W), config, nullptr, init);
    for (int k = 0; k < 3; ++k) {
      const Eigen::VectorXd a = layer.lora_A().row(k).transpose(), b = layer.lora_B().col(k);
      const Eigen::VectorXd v = svd.matrixV().col(of_A[static_cast<std::size_t>(k)]);
      const int of_u = of_B[static_cast<std::size_t>(k)];
      const Eigen::VectorXd u = svd.matrixU().col(of_u) * svd.singularValues()(of_u);
      CHECK(std::min((a - v).norm(), (a + v).norm()) < 1e-12);
      const double size = std::sqrt(std::sqrt(9.0)) / 2;
      CHECK(std::min((b - size * u).norm(), (b + size * u).norm()) < 1e-12 * u.norm());
    }
    CHECK((layer.base_weight().matrix() + layer.scaling() * (layer.lora_B() * layer.lora_A()) - W)
              .norm() < 1e-14 * W.norm());
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

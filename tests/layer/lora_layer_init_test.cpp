// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

/// \file
/// Initialisers that see W0, of a user's own, and the start anew.
#include <lorapro/layer/lora_layer.hpp>
#include <lorapro/layer/nf4_weight.hpp>

#include <Eigen/SVD>

#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::BaseCorrection;
using lorapro::BaseWeight;
using lorapro::Index;
using lorapro::LoraConfig;
using lorapro::LoraLayer;
using lorapro::MatrixView;
using lorapro::RowMatrix;
using reference::product;
using reference::Real;
using reference::real;
using reference::RealMatrix;
using reference::transposed;

constexpr Index kRows = 9, kCols = 13;

LoraConfig start_config(Index rank = 3) {
  LoraConfig config;
  config.rank = rank;
  config.lora_alpha = 2.0 * static_cast<double>(rank);  // s = 2
  return config;
}

/// PiSSA: s B A is the best approximation of W0 of its rank, and W0 keeps the rest.
struct PrincipalInit {
  template <typename Weight>
  BaseCorrection operator()(const LoraConfig& config, const Weight& weight,
                            const MatrixView<double>& lora_A,
                            const MatrixView<double>& lora_B) const {
    RowMatrix<double> W(weight.out_features(), weight.in_features());
    for (Index row = 0; row < W.rows(); ++row)  // a row at a time
      weight.decode(row, 1, 0, W.cols(), W.data() + row * W.cols(), W.cols());
    const Eigen::JacobiSVD<Eigen::MatrixXd> svd(W, Eigen::ComputeThinU | Eigen::ComputeThinV);
    for (Index k = 0; k < lora_A.rows; ++k) {
      const double root = std::sqrt(svd.singularValues()(k) / config.scaling());
      for (Index j = 0; j < lora_A.cols; ++j) lora_A(k, j) = root * svd.matrixV()(j, k);
      for (Index i = 0; i < lora_B.rows; ++i) lora_B(i, k) = root * svd.matrixU()(i, k);
    }
    return BaseCorrection::subtract_adapter;
  }
};

/// What a layer computes on the identity: its whole W, transposed.
template <typename Layer>
RealMatrix whole_weight(Layer& layer) {
  const RowMatrix<double> ones =
      RowMatrix<double>::Identity(layer.in_features(), layer.in_features());
  return transposed(real(layer.forward(ones)));
}

TEST_CASE("an initialiser of a user's own takes its product out of W0", "[lora_layer_init]") {
  LORAPRO_TEST_RANDOM(random, 2621);
  const RowMatrix<double> W = reference::rounded<double>(random.matrix(kRows, kCols));
  LoraLayer<double> layer(BaseWeight<double>::own(W), start_config(), nullptr, PrincipalInit{});
  const double bound = support::tolerance<double>(4, kCols, 1, W.norm());
  CHECK(support::distance(whole_weight(layer), real(W)) <= bound);
  // The adapter has the largest singular values, W0 the others.
  std::vector<Real> values = reference::svd(real(W)).values;
  std::sort(values.rbegin(), values.rend());
  std::vector<Real> of_adapter =
      reference::svd(2.0L * product(real(layer.lora_B()), real(layer.lora_A()))).values;
  std::vector<Real> of_rest = reference::svd(real(layer.base_weight().matrix())).values;
  std::sort(of_adapter.rbegin(), of_adapter.rend());
  std::sort(of_rest.rbegin(), of_rest.rend());
  for (std::size_t k = 0; k < 3; ++k)
    CHECK(static_cast<double>(std::abs(of_adapter[k] - values[k])) <= bound);
  for (std::size_t k = 3; k < kRows; ++k)
    CHECK(static_cast<double>(std::abs(of_rest[k - 3] - values[k])) <= bound);
}

TEST_CASE("an initialiser may read W0 and leave it alone", "[lora_layer_init]") {
  LORAPRO_TEST_RANDOM(random, 2622);
  const auto W = reference::rounded<float>(random.matrix(kRows, kCols));
  // A of the first rows of a W0 that is quantised, through a lambda that returns nothing.
  const auto first_rows = [](const LoraConfig& config, const lorapro::Nf4Weight& weight,
                             const MatrixView<double>& lora_A, const MatrixView<double>& lora_B) {
    CHECK(config.rank == 2);
    CHECK((lora_A.rows == 2 && lora_A.cols == kCols && lora_B.rows == kRows && lora_B.cols == 2));
    CHECK((lora_A(1, 5) == 0 && lora_B(3, 1) == 0));
    weight.decode(0, 2, 0, kCols, lora_A.data, lora_A.row_stride);
  };
  LoraLayer<double, lorapro::Nf4Weight> layer(lorapro::Nf4Weight::quantize(W), start_config(2),
                                              nullptr, first_rows);
  const RealMatrix whole = whole_weight(layer);
  CHECK(support::distance(whole.topRows(2), real(layer.lora_A())) <= 1e-15);
  CHECK((layer.lora_B().array() == 0).all());
}

TEST_CASE("the initialiser of the config is the default", "[lora_layer_init]") {
  const RowMatrix<double> W = RowMatrix<double>::Ones(kRows, kCols);
  const LoraLayer<double> plain(BaseWeight<double>::own(W), start_config());
  const LoraLayer<double> named(BaseWeight<double>::own(W), start_config(), nullptr,
                                lorapro::ConfiguredInit{});
  CHECK(plain.lora_A() == named.lora_A());
  RowMatrix<double> A(3, kCols), B(kRows, 3);
  lorapro::initialize_lora(start_config(), lorapro::make_view(A), lorapro::make_view(B));
  CHECK(plain.lora_A() == A);
  CHECK(plain.lora_B() == B);
}

TEST_CASE("a W0 that cannot be corrected stays as it is", "[lora_layer_init]") {
  LORAPRO_TEST_RANDOM(random, 2623);
  const RowMatrix<double> W = reference::rounded<double>(random.matrix(kRows, kCols));
  const RowMatrix<double> before = W;
  using Layer = LoraLayer<double>;
  CHECK_THROWS_WITH(Layer(BaseWeight<double>::map(W), start_config(), nullptr, PrincipalInit{}),
                    "base_weight: expected a writable W0 to merge into, got a read-only one");
  const auto shared = BaseWeight<double>::own(W);
  CHECK_THROWS_WITH(Layer(shared, start_config(), nullptr, PrincipalInit{}),
                    "base_weight: expected sole ownership to merge, got a shared W0");
  CHECK(W == before);
  CHECK(shared.matrix() == before);
  using Quantised = LoraLayer<double, lorapro::Nf4Weight>;
  CHECK_THROWS_AS(
      Quantised(lorapro::Nf4Weight::quantize(W), start_config(), nullptr, PrincipalInit{}),
      lorapro::ConfigError);
}

TEST_CASE("an adapter that starts anew leaves what it learned to W0", "[lora_layer_init]") {
  LORAPRO_TEST_RANDOM(random, 2624);
  RowMatrix<double> W = reference::rounded<double>(random.matrix(kRows, kCols));
  LoraLayer<double> layer(BaseWeight<double>::map_writable(W), start_config());
  layer.lora_B() = reference::rounded<double>(random.matrix(kRows, 3));
  layer.grad_A().setOnes();
  const RealMatrix learned = whole_weight(layer);
  const double bound =
      support::tolerance<double>(4, kCols, 1, static_cast<double>(reference::norm(learned)));

  layer.restart();
  CHECK((layer.lora_B().array() == 0).all());
  CHECK((layer.grad_A().array() == 0).all());
  CHECK(support::distance(W, learned) <= bound);
  CHECK(support::distance(whole_weight(layer), learned) <= bound);

  layer.restart(PrincipalInit{});
  CHECK((layer.lora_B().array() != 0).any());
  CHECK(support::distance(whole_weight(layer), learned) <= bound);

  // An initialiser that fails half-way does not spoil the layer.
  const auto fails = [](const LoraConfig&, const auto&, const auto&, const auto& lora_B) {
    lora_B(0, 0) = 7;
    throw std::runtime_error("no");
  };
  CHECK_THROWS_WITH(layer.restart(fails), "no");
  CHECK((layer.lora_B().array() == 0).all());
  CHECK(support::distance(whole_weight(layer), learned) <= bound);

  layer.merge();
  CHECK_THROWS_WITH(layer.restart(), "restart: expected an unmerged layer, got a merged one");
  const RowMatrix<double> read_only = W;
  LoraLayer<double> mapped(BaseWeight<double>::map(read_only), start_config());
  mapped.lora_B().setOnes();
  CHECK_THROWS_AS(mapped.restart(), lorapro::ConfigError);
  CHECK((mapped.lora_B().array() == 1).all());
}

}  // namespace

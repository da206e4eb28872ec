// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/layer/int8_weight.hpp>
#include <lorapro/layer/lora_embedding.hpp>
#include <lorapro/layer/nf4_weight.hpp>
#include <lorapro/lorapro.hpp>

#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::BaseWeight;
using lorapro::bfloat16;
using lorapro::Index;
using lorapro::LoraEmbedding;
using reference::product;
using reference::Real;
using reference::real;
using reference::RealMatrix;
using reference::rounded;
using reference::transposed;
using TableMatrix = lorapro::RowMatrix<double>;
using Tokens = std::vector<std::int32_t>;

lorapro::LoraConfig table_config(Index rank) {
  lorapro::LoraConfig config;
  config.rank = rank;
  config.lora_alpha = 1.5 * static_cast<double>(rank);
  config.lora_dropout = 0.5;  // is not for embeddings
  return config;
}

/// With a token that comes twice, one that is the last, and most that do not come.
const Tokens kTokens{4, 0, 10, 4, 7};
constexpr Index kVocabulary = 11, kFeatures = 6, kTableRank = 3;

template <typename Base>
struct TableCase {
  using Layer = LoraEmbedding<double, Base>;

  explicit TableCase(support::Random& random)
      : layer(Layer::Weight::quantize(rounded<float>(random.matrix(kVocabulary, kFeatures))),
              table_config(kTableRank)),
        dy(rounded<double>(random.matrix(5, kFeatures))) {
    layer.lora_A() = rounded<double>(random.matrix(kTableRank, kVocabulary));
  }

  /// W0 + s (B A)^T
  RealMatrix table() const {
    TableMatrix W(kVocabulary, kFeatures);
    layer.base_weight().decode(0, W.rows(), 0, W.cols(), W.data(), W.cols());
    return real(W) + 1.5L * transposed(product(real(TableMatrix(layer.lora_B())),
                                               real(TableMatrix(layer.lora_A()))));
  }

  Layer layer;
  TableMatrix dy;
};

TEMPLATE_TEST_CASE("an embedding looks rows of its table up", "[lora_embedding]", double, bfloat16,
                   lorapro::half, lorapro::Int8Weight, lorapro::Nf4Weight) {
  LORAPRO_TEST_RANDOM(random, 3401);
  TableCase<TestType> e(random);
  const RealMatrix table = e.table();
  const TableMatrix y = e.layer.forward(kTokens);
  for (Index i = 0; i < 5; ++i)
    CHECK(support::distance(y.row(i), table.row(kTokens[static_cast<std::size_t>(i)])) <= 1e-14);
  // Numbers of any size, and a place in a larger batch.
  TableMatrix canvas = TableMatrix::Constant(7, 20, 9);
  const std::vector<std::uint64_t> wide(kTokens.begin(), kTokens.end());
  e.layer.forward(wide, canvas.block(1, 3, 5, kFeatures));
  CHECK((canvas.block(1, 3, 5, kFeatures) - y).norm() <= 1e-14);
  CHECK((canvas.array() == 9).count() == 7 * 20 - 5 * kFeatures);
  CHECK(e.layer.forward(Tokens{}).rows() == 0);
}

TEST_CASE("a new embedding is its table, and B is normal", "[lora_embedding]") {
  LORAPRO_TEST_RANDOM(random, 3402);
  const TableMatrix W = rounded<double>(random.matrix(50, 40));
  LoraEmbedding<double> layer(BaseWeight<double>::map(W), table_config(8));
  CHECK(layer.forward(Tokens{3, 49}) == (TableMatrix(2, 40) << W.row(3), W.row(49)).finished());
  CHECK(layer.lora_A().isZero(0));
  CHECK(std::abs(layer.lora_B().mean()) < 0.2);
  CHECK(layer.lora_B().squaredNorm() / 320 == Approx(1).epsilon(0.3));
  CHECK((layer.vocabulary() == 50 && layer.features() == 40));
  CHECK((layer.in_features() == 50 && layer.out_features() == 40));
  // The seed decides, whatever the scalar.
  const auto again = LoraEmbedding<float>(BaseWeight<float>::own(W.cast<float>()), table_config(8));
  CHECK(again.lora_B() == layer.lora_B().cast<float>());
}

TEST_CASE("an embedding's backward against finite differences", "[lora_embedding]") {
  LORAPRO_TEST_RANDOM(random, 3403);
  TableCase<double> e(random);
  const auto loss = [&] { return reference::dot(real(e.dy), real(e.layer.forward(kTokens))); };
  e.layer.backward(kTokens, e.dy);
  // The loss is linear in each element, so that a step of 1 is exact.
  const auto check = [&](auto parameter, const auto& gradient) {
    TableMatrix difference(parameter.rows(), parameter.cols());
    for (Index i = 0; i < parameter.rows(); ++i)
      for (Index j = 0; j < parameter.cols(); ++j) {
        const double value = parameter(i, j);
        parameter(i, j) = value + 1;
        const Real up = loss();
        parameter(i, j) = value - 1;
        difference(i, j) = static_cast<double>((up - loss()) / 2);
        parameter(i, j) = value;
      }
    CHECK((difference - gradient).norm() <= 1e-13 * gradient.norm());
  };
  check(e.layer.lora_A(), e.layer.grad_A());
  check(e.layer.lora_B(), e.layer.grad_B());
  // Tokens that did not come.
  for (const Index other : {1, 2, 3, 5, 6, 8, 9}) CHECK(e.layer.grad_A().col(other).isZero(0));

  // Gradients add up. Of whole numbers, whose sums are exact in any order.
  const auto whole = [](double x) { return std::round(8 * x); };
  e.dy = e.dy.unaryExpr(whole).eval();
  e.layer.lora_A() = e.layer.lora_A().unaryExpr(whole).eval();
  e.layer.lora_B() = e.layer.lora_B().unaryExpr(whole).eval();
  e.layer.zero_grad();
  e.layer.backward(kTokens, e.dy);
  const TableMatrix A = e.layer.grad_A(), B = e.layer.grad_B();
  CHECK((A.norm() > 0 && B.norm() > 0));
  e.layer.backward(kTokens, e.dy);
  CHECK(TableMatrix(e.layer.grad_A()) == 2 * A);
  CHECK(e.layer.grad_B() == 2 * B);
  e.layer.zero_grad();
  CHECK((e.layer.grad_A().isZero(0) && e.layer.grad_B().isZero(0)));
}

TEMPLATE_TEST_CASE("an embedding is trained by every rule", "[lora_embedding]", lorapro::SgdRule,
                   lorapro::AdamWRule, lorapro::LoraPro<lorapro::SpectralMoments>,
                   lorapro::LoraPro<lorapro::NoMoments>) {
  LORAPRO_TEST_RANDOM(random, 3404);
  TableCase<double> e(random);
  e.layer.lora_A().setZero();
  const TableMatrix target = rounded<double>(random.matrix(5, kFeatures));
  lorapro::OptimizerConfig config;
  config.group.lr = 0.02;
  lorapro::Optimizer<double, TestType> optimizer(config);
  optimizer.attach(e.layer);
  double first = 0, last = 0;
  for (int step = 0; step < 60; ++step) {
    const TableMatrix error = e.layer.forward(kTokens) - target;
    last = error.squaredNorm();
    if (step == 0) first = last;
    e.layer.zero_grad();
    e.layer.backward(kTokens, error);
    REQUIRE(optimizer.step().skipped() == 0);
  }
  CHECK(last < 0.9 * first);
}

TEST_CASE("an embedding is merged and unmerged", "[lora_embedding]") {
  LORAPRO_TEST_RANDOM(random, 3405);
  TableCase<double> e(random);
  const RealMatrix table = e.table();
  const TableMatrix before = e.layer.base_weight().matrix(), y = e.layer.forward(kTokens);
  e.layer.merge();
  CHECK(support::distance(e.layer.base_weight().matrix(), table) <= 1e-14);
  CHECK((e.layer.forward(kTokens) - y).norm() <= 1e-14);
  CHECK_THROWS_WITH(e.layer.merge(), "merge: expected an unmerged layer, got a merged one");
  CHECK_THROWS_WITH(e.layer.backward(kTokens, e.dy),
                    "backward: expected an unmerged layer, got a merged one");
  CHECK_THROWS_WITH(lora_views(e.layer), "layer: expected an unmerged layer, got a merged one");
  e.layer.unmerge();
  CHECK((e.layer.base_weight().matrix() - before).norm() <= 1e-14);
  CHECK_THROWS_WITH(e.layer.unmerge(), "unmerge: expected a merged layer, got an unmerged one");
  TableCase<lorapro::Int8Weight> quantized(random);
  CHECK_THROWS_WITH(quantized.layer.merge(),
                    "base_weight: expected a floating-point W0 to merge into, got int8; merge into "
                    "the original checkpoint instead");
}

TEST_CASE("what an embedding cannot take is refused and nothing is written", "[lora_embedding]") {
  LORAPRO_TEST_RANDOM(random, 3406);
  TableCase<double> e(random);
  TableMatrix y = TableMatrix::Constant(2, kFeatures, 7);
  CHECK_THROWS_WITH(e.layer.forward(Tokens{3, 11}, y),
                    "tokens: expected numbers from 0 to 10, got 11 at 1");
  CHECK_THROWS_WITH(e.layer.forward(Tokens{-1, 3}, y),
                    "tokens: expected numbers from 0 to 10, got -1 at 0");
  CHECK_THROWS_WITH(e.layer.forward(kTokens, y.topRows(2)), "y: expected (5, 6), got (2, 6)");
  CHECK_THROWS_WITH(e.layer.backward(kTokens, y), "grad_y: expected (5, 6), got (2, 6)");
  CHECK_THROWS_WITH(e.layer.backward(Tokens{99}, y.topRows(1)),
                    "tokens: expected numbers from 0 to 10, got 99 at 0");
  using Inside = Eigen::Map<TableMatrix>;
  CHECK_THROWS_WITH(e.layer.forward(Tokens{0}, Inside(e.layer.grad_A().data(), 1, kFeatures)),
                    "y: expected memory of its own, got memory shared with grad_A");
  CHECK((y.array() == 7).all());
  CHECK((e.layer.grad_A().isZero(0) && e.layer.grad_B().isZero(0)));
}

TEST_CASE("an embedding has the same bits for any number of threads", "[lora_embedding]") {
  LORAPRO_TEST_RANDOM(random, 3407);
  const TableMatrix W = rounded<double>(random.matrix(300, 200));
  LoraEmbedding<double> layer(BaseWeight<double>::map(W), table_config(8));
  layer.lora_A() = rounded<double>(random.matrix(8, 300));
  Tokens tokens;
  for (int k = 0; k < 500; ++k) tokens.push_back(k * 7 % 300);
  const TableMatrix dy = rounded<double>(random.matrix(500, 200));
  layer.set_threads(1);
  const TableMatrix y = layer.forward(tokens);
  layer.backward(tokens, dy);
  const TableMatrix A = layer.grad_A(), B = layer.grad_B();
  layer.zero_grad();
  layer.set_threads(2);
  CHECK(layer.forward(tokens) == y);
  layer.backward(tokens, dy);
  CHECK(TableMatrix(layer.grad_A()) == A);
  CHECK(layer.grad_B() == B);
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/layer/dora_layer.hpp>
#include <lorapro/layer/int8_weight.hpp>
#include <lorapro/layer/nf4_weight.hpp>
#include <lorapro/layer/pissa_init.hpp>
#include <lorapro/lorapro.hpp>

#include "support/golden_case.hpp"
#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::BaseWeight;
using lorapro::bfloat16;
using lorapro::DoraLayer;
using lorapro::Index;
using lorapro::Int8Weight;
using lorapro::LoraConfig;
using lorapro::Nf4Weight;
using reference::product;
using reference::Real;
using reference::real;
using reference::RealMatrix;
using reference::rounded;
using reference::transposed;
using support::golden_deviation;
using support::GoldenCase;
using support::kGoldenTolerance;
using support::tolerance;
using DoraMatrix = lorapro::RowMatrix<double>;

LoraConfig dora_config(Index rank, double dropout = 0) {
  LoraConfig config;
  config.rank = rank;
  config.lora_alpha = 1.5 * static_cast<double>(rank);
  config.lora_dropout = dropout;
  return config;
}

// ---------------------------------------------------------------- reference cases

TEMPLATE_TEST_CASE("DoRA is that of the reference cases", "[dora_layer]", float, double) {
  const double bound = kGoldenTolerance<TestType>;
  for (const std::string& path : support::golden_cases("dora")) {
    CAPTURE(path);
    const GoldenCase reference(path);
    const auto bias = reference.matrix_of<TestType>("bias");
    DoraLayer<TestType> layer(BaseWeight<TestType>::own(reference.matrix_of<TestType>("W0")),
                              reference.config(), bias.data());
    const DoraMatrix first = layer.magnitude().template cast<double>();
    layer.lora_A() = reference.matrix_of<TestType>("A");
    layer.lora_B() = reference.matrix_of<TestType>("B");
    layer.magnitude() = reference.matrix_of<TestType>("magnitude");
    // A new layer has B = 0: the norms of W0, as the cases of zeroB have them.
    if (layer.lora_B().isZero(0))
      CHECK(golden_deviation(first, reference.matrix("magnitude_init")) <= bound);
    const auto x = reference.matrix_of<TestType>("x"), dy = reference.matrix_of<TestType>("grad_y");
    lorapro::RowMatrix<TestType> y, dx;
    layer.forward(x, y);
    layer.backward(x, dy, dx);
    CHECK(golden_deviation(y, reference.matrix("y")) <= bound);
    CHECK(golden_deviation(dx, reference.matrix("grad_x")) <= bound);
    // The gradient of A is 0 where B is.
    if (layer.lora_B().isZero(0)) {
      CHECK(layer.grad_A().isZero(0));
    } else {
      CHECK(golden_deviation(layer.grad_A(), reference.matrix("grad_A")) <= bound);
    }
    CHECK(golden_deviation(layer.grad_B(), reference.matrix("grad_B")) <= bound);
    CHECK(golden_deviation(layer.grad_magnitude(), reference.matrix("grad_magnitude")) <= bound);
    layer.merge();
    CHECK(golden_deviation(layer.base_weight().matrix(), reference.matrix("W_merged")) <= bound);
    CHECK(golden_deviation(layer.forward(x), reference.matrix("y")) <= bound);
    layer.unmerge();
    CHECK(golden_deviation(layer.base_weight().matrix(), reference.matrix("W0")) <= bound);
  }
}

// ---------------------------------------------------------------- formats and gradients

/// V = W0 + s B A and c of a layer, by the oracle.
template <typename Layer>
struct Direction {
  explicit Direction(const Layer& layer) {
    DoraMatrix W(layer.out_features(), layer.in_features());
    layer.base_weight().decode(0, W.rows(), 0, W.cols(), W.data(), W.cols());
    W0 = real(W);
    V = W0 + Real(layer.scaling()) * product(real(layer.lora_B()), real(layer.lora_A()));
    for (Index i = 0; i < V.rows(); ++i) {
      Real sum = 0;
      for (Index j = 0; j < V.cols(); ++j) sum += V(i, j) * V(i, j);
      norms.push_back(std::sqrt(sum));
      c.push_back(static_cast<Real>(layer.magnitude()(i)) / norms.back());
    }
  }

  RealMatrix scaled(RealMatrix y) const {
    for (Index j = 0; j < y.cols(); ++j) y.col(j) *= c[static_cast<std::size_t>(j)];
    return y;
  }

  RealMatrix W0, V;
  std::vector<Real> norms, c;
};

template <typename Base>
struct DoraCase {
  using Layer = DoraLayer<double, Base>;

  // Rows beyond one block of 64, and beyond one of dropout.
  DoraCase(support::Random& random, Index out, Index in, Index batch, double dropout = 0)
      : bias(rounded<double>(random.matrix(1, out))),
        layer(Layer::Weight::quantize(rounded<float>(random.matrix(out, in))),
              dora_config(3, dropout), bias.data()),
        x(rounded<double>(random.matrix(batch, in))),
        dy(rounded<double>(random.matrix(batch, out))) {
    layer.lora_B() = rounded<double>(random.matrix(out, 3));
    layer.magnitude() = rounded<double>(random.matrix(1, out));
  }

  DoraMatrix bias;
  Layer layer;
  DoraMatrix x, dy;
};

TEMPLATE_TEST_CASE("DoRA over each format of W0", "[dora_layer]", double, bfloat16, lorapro::half,
                   Int8Weight, Nf4Weight) {
  LORAPRO_TEST_RANDOM(random, 3301);
  const Index shapes[][3] = {{70, 20, 5}, {7, 90, 66}};
  for (const auto& shape : shapes) {
    CAPTURE(shape[0], shape[1]);
    DoraCase<TestType> e(random, shape[0], shape[1], shape[2]);
    const Direction<typename DoraCase<TestType>::Layer> expected(e.layer);
    DoraMatrix y, dx;
    e.layer.forward(e.x, y);
    RealMatrix expected_y = expected.scaled(product(real(e.x), transposed(expected.V)));
    for (Index i = 0; i < y.rows(); ++i) expected_y.row(i) += real(e.bias);
    const auto bound = [&](const RealMatrix& exact) {
      return tolerance<double>(4, 100, 1, support::norm(exact));
    };
    CHECK(support::distance(y, expected_y) <= bound(expected_y));
    e.layer.backward(e.x, e.dy, dx);
    const RealMatrix h = expected.scaled(real(e.dy)), G = product(transposed(h), real(e.x));
    const RealMatrix grad_A = 1.5L * product(transposed(real(e.layer.lora_B())), G);
    const RealMatrix grad_B = 1.5L * product(G, transposed(real(e.layer.lora_A())));
    CHECK(support::distance(e.layer.grad_A(), grad_A) <= bound(grad_A));
    CHECK(support::distance(e.layer.grad_B(), grad_B) <= bound(grad_B));
    CHECK(support::distance(dx, product(h, expected.V)) <= bound(product(h, expected.V)));
  }
}

/// <dy, y> with the norms, and the dropout mask, of the layer as it is.
template <typename Layer>
Real frozen_loss(Layer& layer, const DoraMatrix& x, const DoraMatrix& dy, const DoraMatrix& bias,
                 const std::vector<Real>& norms) {
  layer.set_dropout_masks(0);
  const RealMatrix y = real(layer.forward(x));
  const std::vector<Real> now = Direction<Layer>(layer).norms;
  Real sum = 0;
  for (Index i = 0; i < y.rows(); ++i)
    for (Index j = 0; j < y.cols(); ++j) {
      const auto k = static_cast<std::size_t>(j);
      const Real direction = (y(i, j) - static_cast<Real>(bias(j))) * now[k] / norms[k];
      sum += static_cast<Real>(dy(i, j)) * direction;
    }
  return sum;
}

TEST_CASE("DoRA's backward against finite differences", "[dora_layer]") {
  LORAPRO_TEST_RANDOM(random, 3302);
  for (const double dropout : {0.0, 0.4}) {
    CAPTURE(dropout);
    DoraCase<double> e(random, 6, 9, 66, dropout);
    const std::vector<Real> norms = Direction<DoraLayer<double>>(e.layer).norms;
    DoraMatrix dx;
    e.layer.forward(e.x);
    e.layer.backward(e.x, e.dy, dx);
    // The loss is linear in each element, so that a step of 1 is exact.
    const auto check = [&](auto parameter, const DoraMatrix& gradient) {
      DoraMatrix difference(gradient.rows(), gradient.cols());
      for (Index k = 0; k < gradient.size(); ++k) {
        const double value = parameter.data()[k];
        parameter.data()[k] = value + 1;
        const Real up = frozen_loss(e.layer, e.x, e.dy, e.bias, norms);
        parameter.data()[k] = value - 1;
        difference.data()[k] =
            static_cast<double>((up - frozen_loss(e.layer, e.x, e.dy, e.bias, norms)) / 2);
        parameter.data()[k] = value;
      }
      CHECK((difference - gradient).norm() <= 1e-12 * gradient.norm());
    };
    check(e.layer.lora_A(), e.layer.grad_A());
    check(e.layer.lora_B(), e.layer.grad_B());
    check(e.layer.magnitude(), e.layer.grad_magnitude());
    check(Eigen::Map<DoraMatrix>(e.x.data(), e.x.rows(), e.x.cols()), dx);
  }
}

TEST_CASE("gradients of DoRA accumulate, with grad_x and without", "[dora_layer]") {
  LORAPRO_TEST_RANDOM(random, 3303);
  DoraCase<double> e(random, 6, 9, 5);
  DoraMatrix dx;
  e.layer.forward(e.x);
  e.layer.backward(e.x, e.dy, dx);
  const DoraMatrix A = e.layer.grad_A(), B = e.layer.grad_B(), m = e.layer.grad_magnitude();
  e.layer.backward(e.x, e.dy);
  CHECK(e.layer.grad_A() == 2 * A);
  CHECK(e.layer.grad_B() == 2 * B);
  CHECK(e.layer.grad_magnitude() == 2 * m);
  e.layer.zero_grad();
  CHECK((e.layer.grad_A().isZero(0) && e.layer.grad_B().isZero(0)));
  CHECK(e.layer.grad_magnitude().isZero(0));
}

// ---------------------------------------------------------------- starts

TEST_CASE("a new layer of DoRA computes what W0 does", "[dora_layer]") {
  LORAPRO_TEST_RANDOM(random, 3304);
  const DoraMatrix W = rounded<double>(random.matrix(8, 12));
  const DoraMatrix x = rounded<double>(random.matrix(4, 12)), y = x * W.transpose();
  DoraLayer<double> layer(BaseWeight<double>::map(W), dora_config(2));
  CHECK((layer.forward(x) - y).norm() <= 1e-14 * y.norm());
  CHECK((layer.magnitude().transpose() - W.rowwise().norm()).norm() <= 1e-14 * W.norm());
  // Also where the initialisation changes W0: the norms are those of the whole.
  DoraLayer<double> principal(BaseWeight<double>::own(W), dora_config(2), nullptr,
                              lorapro::PissaInit{});
  CHECK((principal.forward(x) - y).norm() <= 1e-13 * y.norm());
  CHECK((principal.magnitude() - layer.magnitude()).norm() <= 1e-13 * W.norm());
}

TEST_CASE("a row of zeros stays one", "[dora_layer]") {
  LORAPRO_TEST_RANDOM(random, 3305);
  DoraMatrix W = rounded<double>(random.matrix(5, 6));
  W.row(2).setZero();
  const DoraMatrix x = rounded<double>(random.matrix(4, 6)), dy = DoraMatrix::Ones(4, 5);
  DoraLayer<double> layer(BaseWeight<double>::own(W), dora_config(2));
  DoraMatrix dx;
  CHECK(layer.forward(x).col(2).isZero(0));
  layer.backward(x, dy, dx);
  CHECK(layer.grad_magnitude()(2) == 0);
  CHECK(layer.grad_B().row(2).isZero(0));
  CHECK((dx.allFinite() && layer.grad_B().allFinite() && layer.grad_magnitude().allFinite()));
  layer.merge();
  layer.unmerge();
  CHECK((layer.base_weight().matrix() - W).norm() <= 1e-14 * W.norm());
}

// ---------------------------------------------------------------- training

TEMPLATE_TEST_CASE("DoRA is trained by every rule", "[dora_layer]", lorapro::SgdRule,
                   lorapro::AdamWRule, lorapro::LoraPro<lorapro::SpectralMoments>,
                   lorapro::LoraPro<lorapro::NoMoments>) {
  LORAPRO_TEST_RANDOM(random, 3306);
  const DoraMatrix W = rounded<double>(random.matrix(8, 12));
  const DoraMatrix x = rounded<double>(random.matrix(30, 12));
  const DoraMatrix target =
      x * (W + DoraMatrix(0.3 * rounded<double>(random.matrix(8, 12)))).transpose();
  DoraLayer<double> layer(BaseWeight<double>::map(W), dora_config(4));
  lorapro::OptimizerConfig config;
  config.group.lr = 0.01;
  lorapro::Optimizer<double, TestType> optimizer(config);
  optimizer.attach(layer);
  optimizer.attach(layer.magnitude_view());
  const DoraMatrix start = layer.magnitude();
  double first = 0, last = 0;
  for (int step = 0; step < 60; ++step) {
    const DoraMatrix error = layer.forward(x) - target;
    last = error.squaredNorm();
    if (step == 0) first = last;
    layer.zero_grad();
    layer.backward(x, (error / 30).eval());
    REQUIRE(optimizer.step().skipped() == 0);
  }
  CHECK(last < 0.9 * first);
  CHECK(layer.magnitude() != start);
}

// ---------------------------------------------------------------- merging

TEST_CASE("DoRA merges into a W0 of fewer bits with one rounding", "[dora_layer]") {
  LORAPRO_TEST_RANDOM(random, 3307);
  DoraCase<bfloat16> e(random, 70, 20, 5);
  const Direction<DoraLayer<double, bfloat16>> before(e.layer);
  const RealMatrix merged = transposed(before.scaled(transposed(before.V)));
  e.layer.merge();
  for (Index i = 0; i < merged.rows(); ++i)
    for (Index j = 0; j < merged.cols(); ++j) {
      const Real error = static_cast<Real>(e.layer.base_weight().matrix()(i, j)) - merged(i, j);
      CHECK(std::abs(error) <= std::abs(merged(i, j)) / 256);
    }
  CHECK(e.layer.merged());
  e.layer.unmerge();
  const Direction<DoraLayer<double, bfloat16>> after(e.layer);
  CHECK(support::distance(after.W0, before.W0) <= support::norm(before.V) / 64);
}

TEST_CASE("what DoRA cannot merge is refused and nothing has changed", "[dora_layer]") {
  LORAPRO_TEST_RANDOM(random, 3308);
  DoraCase<double> e(random, 6, 9, 5);
  const DoraMatrix W = e.layer.base_weight().matrix();
  CHECK_THROWS_WITH(e.layer.unmerge(), "unmerge: expected a merged layer, got an unmerged one");
  e.layer.magnitude()(3) = 0;
  CHECK_THROWS_WITH(e.layer.merge(),
                    "magnitude: expected finite numbers other than 0 to merge, got 0");
  CHECK(DoraMatrix(e.layer.base_weight().matrix()) == W);
  e.layer.magnitude()(3) = 1;
  e.layer.merge();
  CHECK_THROWS_WITH(e.layer.merge(), "merge: expected an unmerged layer, got a merged one");
  CHECK_THROWS_WITH(e.layer.backward(e.x, e.dy),
                    "backward: expected an unmerged layer, got a merged one");
  lorapro::Optimizer<double, lorapro::SgdRule> optimizer;
  CHECK_THROWS_WITH(optimizer.attach(e.layer),
                    "layer: expected an unmerged layer, got a merged one");

  DoraCase<Nf4Weight> quantized(random, 6, 9, 5);
  CHECK_THROWS_WITH(quantized.layer.merge(),
                    "base_weight: expected a floating-point W0 to merge into, got nf4; merge into "
                    "the original checkpoint instead");
  DoraLayer<double> read_only(BaseWeight<double>::map(W), dora_config(2));
  CHECK_THROWS_WITH(read_only.merge(),
                    "base_weight: expected a writable W0 to merge into, got a read-only one");
}

// ---------------------------------------------------------------- arguments

TEST_CASE("batches that DoRA cannot take are refused and nothing is written", "[dora_layer]") {
  LORAPRO_TEST_RANDOM(random, 3309);
  DoraCase<double> e(random, 6, 9, 5);
  DoraMatrix y = DoraMatrix::Constant(5, 6, 7), dx(5, 9), wide(5, 10), other(4, 6);
  CHECK_THROWS_WITH(e.layer.backward(e.x, e.dy, dx),
                    "backward: expected the batch of the last forward, of -1 rows, got one of 5");
  CHECK_THROWS_WITH(e.layer.forward(wide, y), "x: expected (5, 9), got (5, 10)");
  CHECK_THROWS_WITH(e.layer.forward(e.x, other.topRows(4)), "y: expected (5, 6), got (4, 6)");
  CHECK_THROWS_WITH(e.layer.forward(e.x, e.x.leftCols(6)),
                    "y: expected memory of its own, got memory shared with x");
  CHECK_THROWS_WITH(e.layer.forward(e.x.topRows(1), e.layer.magnitude()),
                    "y: expected memory of its own, got memory shared with magnitude");
  CHECK((y.array() == 7).all());
  e.layer.forward(e.x, y);
  CHECK_THROWS_WITH(e.layer.backward(e.x, other, dx), "grad_y: expected (5, 6), got (4, 6)");
  CHECK_THROWS_WITH(e.layer.backward(e.x, e.dy, e.x),
                    "grad_x: expected memory of its own, got memory shared with x");
  CHECK(e.layer.grad_magnitude().isZero(0));
  CHECK(e.layer.grad_B().isZero(0));
}

TEST_CASE("DoRA has the same bits for any number of threads", "[dora_layer]") {
  LORAPRO_TEST_RANDOM(random, 3310);
  DoraCase<double> e(random, 300, 200, 40);
  const auto run = [&](int threads) {
    e.layer.set_threads(threads);
    e.layer.zero_grad();
    DoraMatrix dx, y = e.layer.forward(e.x);
    e.layer.backward(e.x, e.dy, dx);
    std::vector<double> all(y.data(), y.data() + y.size());
    all.insert(all.end(), dx.data(), dx.data() + dx.size());
    const auto grad = e.layer.grad_magnitude();
    all.insert(all.end(), grad.data(), grad.data() + grad.size());
    return all;
  };
  CHECK(run(1) == run(2));
}

}  // namespace

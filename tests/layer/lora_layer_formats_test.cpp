// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

/// \file
/// LoraLayer over each format of W0.
#include <lorapro/layer/int8_weight.hpp>
#include <lorapro/layer/nf4_weight.hpp>
#include <lorapro/lorapro.hpp>

#include <utility>  // std::pair

#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::bfloat16;
using lorapro::half;
using lorapro::Index;
using lorapro::Int8Weight;
using lorapro::LoraConfig;
using lorapro::LoraLayer;
using lorapro::Nf4Weight;
using lorapro::RowMatrix;
using reference::product;
using reference::real;
using reference::RealMatrix;
using reference::rounded;
using reference::transposed;
using support::tolerance;
using Matrix = RowMatrix<double>;

LoraConfig format_config(Index rank, double dropout = 0) {
  LoraConfig config;
  config.rank = rank;
  config.lora_alpha = 1.5 * static_cast<double>(rank);
  config.lora_dropout = dropout;
  return config;
}

/// W0 as the layer sees it.
template <typename Layer>
RealMatrix dequantized(const Layer& layer) {
  Matrix out(layer.out_features(), layer.in_features());
  layer.base_weight().decode(0, out.rows(), 0, out.cols(), out.data(), out.cols());
  return real(out);
}

/// A layer with factors that are not zero, and a batch for it.
template <typename Scalar_, typename Base>
struct Case {
  using Scalar = Scalar_;
  using Layer = LoraLayer<Scalar, Base>;

  Case(support::Random& random, Index out, Index in, Index batch, const LoraConfig& config)
      : W(rounded<float>(random.matrix(out, in, 0.1))),
        layer(Layer::Weight::quantize(W), config),
        x(rounded<Scalar>(random.matrix(batch, in))),
        dy(rounded<Scalar>(random.matrix(batch, out))),
        y(batch, out),
        dx(batch, in) {
    layer.lora_B() = rounded<Scalar>(random.matrix(out, config.rank, 0.1));
  }

  void run() {
    layer.zero_grad();
    layer.forward(x, y);
    layer.backward(x, dy, dx);
  }

  RowMatrix<float> W;
  Layer layer;
  RowMatrix<Scalar> x, dy, y, dx;
};

TEMPLATE_TEST_CASE("a layer computes with the dequantised W0", "[formats]",
                   (std::pair<float, float>), (std::pair<float, bfloat16>),
                   (std::pair<float, half>), (std::pair<float, Int8Weight>),
                   (std::pair<float, Nf4Weight>), (std::pair<double, bfloat16>),
                   (std::pair<double, half>), (std::pair<double, Int8Weight>),
                   (std::pair<double, Nf4Weight>)) {
  LORAPRO_TEST_RANDOM(random, 2501);
  using Scalar = typename TestType::first_type;
  // One entry; shapes below a tile, of whole blocks, ragged, of several tiles with odd rows.
  const Index shapes[][3] = {{1, 1, 1}, {5, 7, 3}, {64, 128, 9}, {70, 100, 40}, {205, 333, 33}};
  for (const auto& shape : shapes) {
    CAPTURE(shape[0], shape[1], shape[2]);
    Case<Scalar, typename TestType::second_type> c(random, shape[0], shape[1], shape[2],
                                                   format_config(3));
    c.run();
    const RealMatrix W = dequantized(c.layer), x = real(c.x), dy = real(c.dy);
    const RealMatrix A = real(c.layer.lora_A()), B = real(c.layer.lora_B());
    const auto check = [](const auto& got, const RealMatrix& expected, Index terms) {
      CHECK(support::distance(got, expected) <=
            tolerance<Scalar>(1, static_cast<double>(terms), 1,
                              static_cast<double>(reference::norm(expected)) + 0.1));
    };
    const RealMatrix merged = W + 1.5L * product(B, A);
    check(c.y, product(x, transposed(merged)), shape[1] + 3);
    check(c.dx, product(dy, merged), shape[0] + 3);
    const RealMatrix G = product(transposed(dy), x);
    check(c.layer.grad_A(), 1.5L * product(transposed(B), G), shape[0] + shape[2]);
    check(c.layer.grad_B(), 1.5L * product(G, transposed(A)), shape[1] + shape[2]);
  }
}

/// Largest |W0(i, j) - dequantised W0(i, j)| that the format allows.
template <typename T>
double entry_bound(const lorapro::BaseWeight<T>&, const RowMatrix<float>& W, Index i, Index j) {
  // Below 2^-14 a half has an absolute error.
  return lorapro::storage_epsilon<T>() / 2 *
         std::max(std::abs(static_cast<double>(W(i, j))), std::ldexp(1.0, -14));
}
double entry_bound(const Int8Weight& weight, const RowMatrix<float>&, Index i, Index) {
  return static_cast<double>(weight.scales()[i]) / 2 * (1 + 1e-6);
}
double entry_bound(const Nf4Weight& weight, const RowMatrix<float>& W, Index i, Index j) {
  const Index block = (i * W.cols() + j) / Nf4Weight::kBlock;
  double absmax = 0;
  for (Index k = block * 64; k < std::min(W.size(), block * 64 + 64); ++k)
    absmax = std::max(absmax, std::abs(static_cast<double>(W.data()[k])));
  return 0.152 * absmax +
         0.0071 * static_cast<double>(weight.absmax_scales()[block / Nf4Weight::kGroup]);
}

/// The relative errors (of W0, of y) that normal weights get in a format: measured once, they may
/// move by a quarter.
template <typename Base>
constexpr double kTypicalError = 0;
template <>
constexpr double kTypicalError<bfloat16> = 0.0017;
template <>
constexpr double kTypicalError<half> = 0.00021;
template <>
constexpr double kTypicalError<Int8Weight> = 0.0068;
template <>
constexpr double kTypicalError<Nf4Weight> = 0.094;

TEMPLATE_TEST_CASE("the error of a format against the float layer", "[formats]", bfloat16, half,
                   Int8Weight, Nf4Weight) {
  LORAPRO_TEST_RANDOM(random, 2502);
  Case<float, TestType> c(random, 200, 333, 20, format_config(3));
  RowMatrix<float> exact(20, 200);
  LoraLayer<float> plain(lorapro::BaseWeight<float>::own(c.W), format_config(3));
  plain.lora_A() = c.layer.lora_A();
  plain.lora_B() = c.layer.lora_B();
  const RealMatrix W = dequantized(c.layer);
  int wrong = 0;
  Matrix bound(W.rows(), W.cols());
  for (Index i = 0; i < W.rows(); ++i)
    for (Index j = 0; j < W.cols(); ++j) {
      bound(i, j) = entry_bound(c.layer.base_weight(), c.W, i, j);
      wrong +=
          std::abs(static_cast<double>(W(i, j)) - static_cast<double>(c.W(i, j))) > bound(i, j);
    }
  CHECK(wrong == 0);
  c.run();
  plain.forward(c.x, exact);
  // An output moves by at most |x| times the bounds of the entries.
  const Matrix largest = c.x.cwiseAbs().template cast<double>() * bound.transpose();
  const Matrix moved = (c.y - exact).cwiseAbs().template cast<double>();
  CHECK(((moved - largest).array() <= 1e-5).all());
  const double weights = support::distance(c.W, W) / static_cast<double>(c.W.norm());
  const double outputs = moved.norm() / static_cast<double>(exact.norm());
  INFO("weights " << weights << ", outputs " << outputs);
  for (const double error : {weights, outputs}) {
    CHECK(error > 0.75 * kTypicalError<TestType>);
    CHECK(error < 1.25 * kTypicalError<TestType>);
  }
}

/// d loss / d values. The loss is linear in each element, so a step of 1 is exact.
template <typename Loss>
Matrix slopes_of(Matrix& values, const Loss& loss) {
  Matrix out(values.rows(), values.cols());
  for (Index k = 0; k < values.size(); ++k) {
    const double start = values.data()[k];
    values.data()[k] = start + 1;
    const double up = loss();
    values.data()[k] = start - 1;
    out.data()[k] = (up - loss()) / 2;
    values.data()[k] = start;
  }
  return out;
}

TEMPLATE_TEST_CASE("gradients over a quantised W0 against finite slopes_of", "[formats]", bfloat16,
                   half, Int8Weight, Nf4Weight) {
  LORAPRO_TEST_RANDOM(random, 2503);
  for (const double dropout : {0.0, 0.4}) {
    CAPTURE(dropout);
    const Case<double, TestType> c(random, 11, 13, 6, format_config(2, dropout));
    Matrix A = c.layer.lora_A(), B = c.layer.lora_B(), x = c.x;
    // Made anew for every loss, so that each draws the first dropout mask.
    const auto fresh = [&] {
      typename Case<double, TestType>::Layer layer(c.layer.base_weight(), c.layer.config());
      layer.lora_A() = A;
      layer.lora_B() = B;
      return layer;
    };
    const auto loss = [&] {
      auto layer = fresh();
      Matrix y(6, 11);
      layer.forward(x, y);
      return c.dy.cwiseProduct(y).sum();
    };
    auto layer = fresh();
    Matrix y(6, 11), dx(6, 13);
    layer.forward(x, y);
    layer.backward(x, c.dy, dx);
    const auto check = [](const auto& got, const Matrix& expected) {
      CHECK(expected.norm() > 0.1);
      CHECK(support::distance(got, expected) <= tolerance<double>(4, 78, 1, expected.norm() + 10));
    };
    check(layer.grad_A(), slopes_of(A, loss));
    check(layer.grad_B(), slopes_of(B, loss));
    check(dx, slopes_of(x, loss));
  }
}

TEMPLATE_TEST_CASE("the bits of a layer do not depend on the number of threads", "[formats]", float,
                   bfloat16, half, Int8Weight, Nf4Weight) {
  LORAPRO_TEST_RANDOM(random, 2504);
  Case<float, TestType> c(random, 330, 500, 150, format_config(8));
  c.layer.set_training(false);
  RowMatrix<float> y, dx, grad_A, grad_B;
  for (const int threads : {1, 2, 3, 8}) {
    CAPTURE(threads);
    c.layer.set_threads(threads);
    c.run();
    if (threads == 1) {
      y = c.y;
      dx = c.dx;
      grad_A = c.layer.grad_A();
      grad_B = c.layer.grad_B();
    }
    CHECK(c.y == y);
    CHECK(c.dx == dx);
    CHECK(c.layer.grad_A() == grad_A);
    CHECK(c.layer.grad_B() == grad_B);
  }
}

template <typename Base>
std::size_t bytes_of(const RowMatrix<float>& W) {
  using Layer = LoraLayer<float, Base>;
  return Layer(Layer::Weight::quantize(W), format_config(2)).base_bytes();
}

TEST_CASE("bytes of W0 in each format", "[formats]") {
  const RowMatrix<float> W = RowMatrix<float>::Ones(256, 512);
  constexpr std::size_t kEntries = 256 * 512;
  CHECK(bytes_of<float>(W) == 4 * kEntries);
  CHECK(bytes_of<bfloat16>(W) == 2 * kEntries);
  CHECK(bytes_of<half>(W) == 2 * kEntries);
  CHECK(bytes_of<Int8Weight>(W) == kEntries + 4 * 256);
  // 4 bits an entry, 8 a block of 64, a float a group of 256 blocks, the mean.
  CHECK(bytes_of<Nf4Weight>(W) == kEntries / 2 + kEntries / 64 + 4 * (kEntries / 64 / 256) + 4);
}

TEMPLATE_TEST_CASE("a quantised W0 is not merged into", "[formats]", Int8Weight, Nf4Weight) {
  LORAPRO_TEST_RANDOM(random, 2505);
  Case<float, TestType> c(random, 5, 7, 3, format_config(2));
  const RealMatrix before = dequantized(c.layer);
  CHECK_THROWS_WITH(c.layer.merge(),
                    std::string("base_weight: expected a floating-point W0 to merge into, got ") +
                        TestType::kFormat + "; merge into the original checkpoint instead");
  CHECK_THROWS_AS(c.layer.merge(), lorapro::ConfigError);
  CHECK_FALSE(c.layer.merged());
  CHECK_THROWS_AS(c.layer.unmerge(), lorapro::StateError);
  CHECK(dequantized(c.layer) == before);
  c.run();
  CHECK(c.y.allFinite());
}

TEST_CASE("merging into half rounds to half", "[formats]") {
  LORAPRO_TEST_RANDOM(random, 2506);
  Case<float, half> c(random, 70, 7, 3, format_config(2));
  const RealMatrix expected =
      dequantized(c.layer) + 1.5L * product(real(c.layer.lora_B()), real(c.layer.lora_A()));
  c.layer.merge();
  CHECK(support::distance(dequantized(c.layer), expected) <=
        tolerance<half>(1, 1, 1, static_cast<double>(reference::norm(expected))));
}

TEMPLATE_TEST_CASE("an optimizer trains over a quantised W0", "[formats]", half, Int8Weight,
                   Nf4Weight) {
  LORAPRO_TEST_RANDOM(random, 2507);
  Case<float, TestType> c(random, 24, 32, 200, format_config(4));
  c.layer.lora_B().setZero();
  const RowMatrix<float> target =
      c.x * (c.W + rounded<float>(product(random.matrix(24, 2, 0.3), random.matrix(2, 32, 0.3))))
                .transpose();
  lorapro::OptimizerConfig config;
  config.group.lr = 3e-2;
  lorapro::LoraProOptimizer<float> optimizer(config);
  optimizer.attach(c.layer);
  const RealMatrix before = dequantized(c.layer);
  double first = 0, last = 0;
  for (int step = 0; step < 60; ++step) {
    c.layer.forward(c.x, c.y);
    c.dy = (c.y - target) / 200;
    last = static_cast<double>(c.dy.norm());
    if (step == 0) first = last;
    c.layer.backward(c.x, c.dy);
    REQUIRE(optimizer.step().updated == 1);
    optimizer.zero_grad();
  }
  INFO(first << " to " << last);
  CHECK(last < 0.5 * first);
  CHECK(dequantized(c.layer) == before);
}

TEST_CASE("merged decay needs a W0 that can be written", "[formats]") {
  LORAPRO_TEST_RANDOM(random, 2508);
  Case<float, Nf4Weight> c(random, 5, 7, 3, format_config(2));
  lorapro::OptimizerConfig config;
  config.group.weight_decay = 0.1;
  config.group.decay_target = lorapro::DecayTarget::merged;
  lorapro::LoraProOptimizer<float> optimizer(config);
  CHECK_THROWS_WITH(optimizer.attach(c.layer, {}, "head"),
                    "head: decay_target: expected a sole, writable W0 for merged decay, got none "
                    "for this pair");
}

TEST_CASE("layers share one quantised W0", "[formats]") {
  LORAPRO_TEST_RANDOM(random, 2509);
  const auto W = rounded<float>(random.matrix(6, 70));
  const auto weight = Nf4Weight::quantize(W);
  LoraLayer<float, Nf4Weight> first(weight, format_config(2)), second(weight, format_config(3));
  CHECK(first.base_weight().codes() == second.base_weight().codes());
  const auto x = rounded<float>(random.matrix(3, 70));
  RowMatrix<float> y_first(3, 6), y_second(3, 6);
  first.forward(x, y_first);
  second.forward(x, y_second);
  CHECK(y_first == y_second);  // B = 0
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/layer/lora_layer.hpp>

#include <utility>  // std::move

#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::BaseWeight;
using lorapro::bfloat16;
using lorapro::Index;
using lorapro::LoraConfig;
using lorapro::LoraLayer;
using lorapro::RowMatrix;
using reference::product;
using reference::Real;
using reference::real;
using reference::RealMatrix;
using reference::rounded;
using reference::transposed;
using support::tolerance;
using Matrix = RowMatrix<double>;

constexpr Index kOut = 5, kIn = 7, kRank = 3;

LoraConfig config_of(double dropout = 0, bool rslora = false, std::uint64_t seed = 3) {
  LoraConfig config;
  config.rank = kRank;
  config.lora_alpha = 4.5;
  config.use_rslora = rslora;
  config.lora_dropout = dropout;
  config.seed = seed;
  return config;
}

template <typename T>
bool same_bits(const T& a, const T& b) {
  return a.size() == b.size() &&
         std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(*a.data())) ==
             0;
}

/// x W0^T + bias + s (x A^T) B^T
RealMatrix expected_output(const RealMatrix& x, const RealMatrix& W, const RealMatrix& A,
                           const RealMatrix& B, double s) {
  return product(x, transposed(W)) + Real(s) * product(product(x, transposed(A)), transposed(B));
}

// ---------------------------------------------------------------- forward

TEMPLATE_TEST_CASE("forward is x W0^T + bias + s (x A^T) B^T", "[lora_layer]", float, double) {
  LORAPRO_TEST_RANDOM(random, 901);
  for (const bool rslora : {false, true})
    for (const bool with_bias : {false, true})
      for (const Index batch : {1, 4, 70}) {
        CAPTURE(rslora, with_bias, batch);
        const auto W = rounded<TestType>(random.matrix(kOut, kIn));
        const auto bias = rounded<TestType>(random.matrix(1, kOut));
        LoraLayer<TestType> layer(BaseWeight<TestType>::map(W.data(), kOut, kIn),
                                  config_of(0, rslora), with_bias ? bias.data() : nullptr);
        const double s = rslora ? 4.5 / std::sqrt(3.0) : 1.5;
        CHECK(layer.scaling() == s);
        layer.lora_B() = rounded<TestType>(random.matrix(kOut, kRank));
        const auto x = rounded<TestType>(random.matrix(batch, kIn));
        RowMatrix<TestType> y = RowMatrix<TestType>::Constant(batch, kOut, TestType(99));
        layer.forward(x, y);
        RealMatrix expected =
            expected_output(real(x), real(W), real(layer.lora_A()), real(layer.lora_B()), s);
        if (with_bias)
          for (Index i = 0; i < batch; ++i) expected.row(i) += real(bias);
        CHECK(support::distance(y, expected) <=
              tolerance<TestType>(1, kIn + kRank + 2, 1,
                                  static_cast<double>(reference::norm(expected)) + 1));
      }
}

TEST_CASE("a new layer computes what W0 does", "[lora_layer]") {
  LORAPRO_TEST_RANDOM(random, 902);
  const Matrix W = rounded<double>(random.matrix(kOut, kIn));
  LoraLayer<double> layer(BaseWeight<double>::map(W.data(), kOut, kIn), config_of());
  CHECK((layer.lora_B().array() == 0).all());
  CHECK((layer.grad_A().array() == 0).all());
  CHECK((layer.grad_B().array() == 0).all());
  CHECK((layer.lora_A().array() != 0).any());
  CHECK((layer.out_features() == kOut && layer.in_features() == kIn && layer.rank() == kRank));
  CHECK(layer.config().seed == 3);
  const Matrix x = rounded<double>(random.matrix(4, kIn));
  Matrix y(4, kOut);
  layer.forward(x, y);
  CHECK(support::distance(y, product(real(x), transposed(real(W)))) <=
        tolerance<double>(1, kIn, 1, y.norm()));
}

TEST_CASE("batches may be blocks of larger buffers", "[lora_layer]") {
  LORAPRO_TEST_RANDOM(random, 903);
  const Matrix W = rounded<double>(random.matrix(kOut, kIn));
  const auto make = [&] {
    LoraLayer<double> layer(BaseWeight<double>::map(W.data(), kOut, kIn), config_of());
    layer.lora_B().setConstant(0.5);
    return layer;
  };
  auto dense = make(), strided = make();
  const Matrix x = rounded<double>(random.matrix(4, kIn));
  const Matrix dy = rounded<double>(random.matrix(4, kOut));
  Matrix y(4, kOut), dx(4, kIn);
  dense.forward(x, y);
  dense.backward(x, dy, dx);
  Matrix canvas = Matrix::Constant(20, 40, 7);
  canvas.block(1, 2, 4, kIn) = x;
  canvas.block(6, 2, 4, kOut) = dy;
  const Matrix before = canvas;
  strided.forward(canvas.block(1, 2, 4, kIn), canvas.block(11, 3, 4, kOut));
  strided.backward(canvas.block(1, 2, 4, kIn), canvas.block(6, 2, 4, kOut),
                   canvas.block(15, 20, 4, kIn));
  // Eigen's products may round differently at another alignment.
  const auto close = [](const auto& got, const auto& expected) {
    CHECK(support::distance(got, expected) <= tolerance<double>(1, 14, 1, expected.norm()));
  };
  close(canvas.block(11, 3, 4, kOut), y);
  close(canvas.block(15, 20, 4, kIn), dx);
  close(strided.grad_A(), dense.grad_A());
  close(strided.grad_B(), dense.grad_B());
  canvas.block(11, 3, 4, kOut) = before.block(11, 3, 4, kOut);
  canvas.block(15, 20, 4, kIn) = before.block(15, 20, 4, kIn);
  CHECK(canvas == before);
}

// ---------------------------------------------------------------- backward

/// The loss <C, y> of a layer made anew, so that every call draws the first dropout mask.
struct Experiment {
  Matrix W, A, B, x, C;
  LoraConfig config;

  Experiment(support::Random& random, double dropout, Index batch)
      : W(rounded<double>(random.matrix(kOut, kIn))),
        A(rounded<double>(random.matrix(kRank, kIn))),
        B(rounded<double>(random.matrix(kOut, kRank))),
        x(rounded<double>(random.matrix(batch, kIn))),
        C(rounded<double>(random.matrix(batch, kOut))),
        config(config_of(dropout)) {}

  LoraLayer<double> layer() const {
    LoraLayer<double> out(BaseWeight<double>::map(W.data(), kOut, kIn), config);
    out.lora_A() = A;
    out.lora_B() = B;
    return out;
  }

  Real loss() const {
    auto fresh = layer();
    Matrix y(x.rows(), kOut);
    fresh.forward(x, y);
    return reference::dot(real(C), real(y));
  }

  /// d loss / d parameter. The loss is linear in each element, so a step of 1 is exact.
  Matrix difference(Matrix Experiment::*parameter) const {
    Experiment moved = *this;
    Matrix& matrix = moved.*parameter;
    Matrix out(matrix.rows(), matrix.cols());
    for (Index k = 0; k < matrix.size(); ++k) {
      const double value = matrix.data()[k];
      matrix.data()[k] = value + 1;
      const Real up = moved.loss();
      matrix.data()[k] = value - 1;
      out.data()[k] = static_cast<double>((up - moved.loss()) / 2);
      matrix.data()[k] = value;
    }
    return out;
  }
};

TEST_CASE("backward against finite differences", "[lora_layer]") {
  LORAPRO_TEST_RANDOM(random, 911);
  for (const double dropout : {0.0, 0.4})
    for (const Index batch : {1, 6, 66}) {  // rows are masked 64 at a time
      CAPTURE(dropout, batch);
      const Experiment e(random, dropout, batch);
      auto layer = e.layer(), without_x = e.layer();
      Matrix y(batch, kOut), dx = Matrix::Constant(batch, kIn, 99);
      layer.forward(e.x, y);
      layer.backward(e.x, e.C, dx);
      const auto bound = [&](const Matrix& expected) {
        return tolerance<double>(4, static_cast<double>(batch) * kIn, 1, expected.norm());
      };
      const Matrix grad_A = e.difference(&Experiment::A), grad_B = e.difference(&Experiment::B);
      CHECK(support::distance(layer.grad_A(), grad_A) <= bound(grad_A));
      CHECK(support::distance(layer.grad_B(), grad_B) <= bound(grad_B));
      const Matrix grad_x = e.difference(&Experiment::x);
      CHECK(support::distance(dx, grad_x) <= bound(grad_x));
      without_x.forward(e.x, y);
      without_x.backward(e.x, e.C);
      CHECK(same_bits<Matrix>(without_x.grad_A(), layer.grad_A()));
      CHECK(same_bits<Matrix>(without_x.grad_B(), layer.grad_B()));
    }
}

TEST_CASE("gradients accumulate until zero_grad", "[lora_layer]") {
  LORAPRO_TEST_RANDOM(random, 912);
  const Experiment e(random, 0, 5);
  auto layer = e.layer();
  layer.backward(e.x, e.C);
  const Matrix once_A = layer.grad_A(), once_B = layer.grad_B();
  layer.backward(e.x, e.C);
  // Twice the same number is exact.
  CHECK(layer.grad_A() == 2 * once_A);
  CHECK(layer.grad_B() == 2 * once_B);
  layer.zero_grad();
  CHECK((layer.grad_A().array() == 0).all());
  CHECK((layer.grad_B().array() == 0).all());
  layer.backward(e.x, e.C);
  CHECK(layer.grad_A() == once_A);
  CHECK(layer.lora_A() == e.A);
  CHECK(layer.lora_B() == e.B);
}

TEST_CASE("batches may grow and shrink", "[lora_layer]") {
  LORAPRO_TEST_RANDOM(random, 913);
  const Experiment small(random, 0.3, 2), large(random, 0.3, 90);
  auto layer = small.layer();
  for (const Experiment* e : {&small, &large, &small}) {
    Matrix y(e->x.rows(), kOut), dx(e->x.rows(), kIn);
    layer.zero_grad();
    layer.forward(e->x, y);
    layer.backward(e->x, e->C, dx);
    CHECK(y.allFinite());
    CHECK(dx.allFinite());
  }
  Matrix x(0, kIn), y(0, kOut), dx(0, kIn);
  layer.zero_grad();
  layer.forward(x, y);
  layer.backward(x, y, dx);
  CHECK((layer.grad_A().array() == 0).all());
}

TEST_CASE("[trap] gradients of a layer are s B^T G and s G A^T", "[lora_layer][trap]") {
  LORAPRO_TEST_RANDOM(random, 914);
  const Experiment e(random, 0, 6);
  auto layer = e.layer();
  layer.backward(e.x, e.C);
  const RealMatrix G = product(transposed(real(e.C)), real(e.x));
  const RealMatrix grad_A = 1.5L * product(transposed(real(e.B)), G);
  const RealMatrix grad_B = 1.5L * product(G, transposed(real(e.A)));
  CHECK(support::distance(layer.grad_A(), grad_A) <=
        tolerance<double>(1, 14, 1, static_cast<double>(reference::norm(grad_A))));
  CHECK(support::distance(layer.grad_B(), grad_B) <=
        tolerance<double>(1, 14, 1, static_cast<double>(reference::norm(grad_B))));
}

// ---------------------------------------------------------------- dropout

/// A = B = 1 and W0 = 0: the output shows the dropped input itself.
struct Window {
  static constexpr Index kSize = 16;
  Matrix W = Matrix::Zero(kSize, kSize);
  LoraLayer<double> layer;

  Window(double dropout, std::uint64_t seed)
      : layer(BaseWeight<double>::own(W), [&] {
          LoraConfig config;
          config.rank = kSize;
          config.lora_alpha = kSize;
          config.lora_dropout = dropout;
          config.seed = seed;
          return config;
        }()) {
    layer.lora_A().setIdentity();
    layer.lora_B().setIdentity();
  }

  Matrix mask(Index batch) {
    Matrix y(batch, kSize);
    layer.forward(Matrix::Ones(batch, kSize).eval(), y);
    return y;
  }
};

TEST_CASE("dropout drops with its probability and keeps the expectation", "[lora_layer]") {
  for (const double p : {0.1, 0.5, 0.9}) {
    CAPTURE(p);
    Window window(p, 1);
    double kept = 0, count = 0, sum = 0;
    for (int call = 0; call < 20; ++call) {
      const Matrix mask = window.mask(130);
      const double scale = 1 / (1 - p);
      CHECK(((mask.array() == 0) || (mask.array() == scale)).all());
      kept += static_cast<double>((mask.array() != 0).count());
      sum += mask.sum();
      count += static_cast<double>(mask.size());
    }
    const double deviation = std::sqrt(p * (1 - p) / count);
    CHECK(std::abs(kept / count - (1 - p)) < 5 * deviation);
    CHECK(std::abs(sum / count - 1) < 5 * deviation / (1 - p));
  }
}

TEST_CASE("dropout masks are a function of the seed and the call", "[lora_layer]") {
  Window first(0.5, 1), second(0.5, 1), other(0.5, 2);
  const Matrix a = first.mask(130), b = first.mask(130);
  CHECK(second.mask(130) == a);
  CHECK(second.mask(130) == b);
  CHECK(a != b);
  CHECK(other.mask(130) != a);
  // No row repeats another, whatever block of rows it falls in.
  for (Index i = 1; i < 130; ++i) CHECK(a.row(i) != a.row(0));
}

TEST_CASE("dropout is off when not training", "[lora_layer]") {
  Window window(0.5, 1), reference_window(0.5, 1);
  window.layer.set_training(false);
  CHECK(window.mask(3) == Matrix::Ones(3, Window::kSize));
  const Matrix x = Matrix::Ones(3, Window::kSize);
  Matrix dx(3, Window::kSize);
  window.layer.backward(x, x, dx);
  CHECK(dx == Matrix::Ones(3, Window::kSize));
  // Evaluating draws no mask: training goes on as if it had not happened.
  window.layer.set_training(true);
  CHECK(window.mask(3) == reference_window.mask(3));
}

TEST_CASE("a forward that is computed once more draws the same mask", "[lora_layer]") {
  Window window(0.5, 1);
  const Matrix first = window.mask(130);
  const std::uint64_t of_first = window.layer.dropout_masks();
  const Matrix second = window.mask(130);
  REQUIRE(second != first);
  const Matrix x = Matrix::Ones(130, Window::kSize);
  Matrix dx;
  // Backward of the second batch, then of the first, which had to be computed again.
  window.layer.backward(x, x, dx);
  CHECK(dx == second);
  window.layer.set_dropout_masks(of_first - 1);
  CHECK(window.mask(130) == first);
  window.layer.backward(x, x, dx);
  CHECK(dx == first);
}

TEST_CASE("backward sees the mask of the last forward", "[lora_layer]") {
  Window window(0.5, 1);
  const Matrix x = Matrix::Ones(130, Window::kSize);
  for (int call = 0; call < 3; ++call) {
    const Matrix mask = window.mask(130);
    Matrix dx(130, Window::kSize);
    window.layer.backward(x, x, dx);
    CHECK(dx == mask);
  }
}

// ---------------------------------------------------------------- W0

TEST_CASE("W0 in bfloat16", "[lora_layer]") {
  LORAPRO_TEST_RANDOM(random, 921);
  // 130 rows are converted in three panels.
  const auto W = rounded<bfloat16>(random.matrix(130, kIn));
  LoraLayer<float, bfloat16> layer(BaseWeight<bfloat16>::map(W.data(), 130, kIn), config_of());
  layer.lora_B() = rounded<float>(random.matrix(130, kRank));
  const auto x = rounded<float>(random.matrix(9, kIn));
  const auto dy = rounded<float>(random.matrix(9, 130));
  RowMatrix<float> y(9, 130), dx(9, kIn);
  layer.forward(x, y);
  layer.backward(x, dy, dx);
  const RealMatrix A = real(layer.lora_A()), B = real(layer.lora_B());
  const auto check = [](const auto& got, const RealMatrix& expected, double terms) {
    CHECK(support::distance(got, expected) <=
          tolerance<float>(1, terms, 1, static_cast<double>(reference::norm(expected))));
  };
  check(y, expected_output(real(x), real(W), A, B, 1.5), kIn + kRank);
  check(dx, product(real(dy), RealMatrix(real(W) + 1.5L * product(B, A))), 130 + kRank);
  const RealMatrix G = product(transposed(real(dy)), real(x));
  check(layer.grad_A(), 1.5L * product(transposed(B), G), 130 + 9);
  check(layer.grad_B(), 1.5L * product(G, transposed(A)), kIn + 9);
}

TEST_CASE("layers share one W0", "[lora_layer]") {
  LORAPRO_TEST_RANDOM(random, 922);
  const auto weight = BaseWeight<double>::own(rounded<double>(random.matrix(kOut, kIn)));
  LoraLayer<double> first(weight, config_of(0, false, 1)), second(weight, config_of(0, false, 2));
  CHECK(first.base_weight().data() == second.base_weight().data());
  CHECK(first.lora_A() != second.lora_A());
  first.lora_B().setOnes();
  const Matrix x = rounded<double>(random.matrix(4, kIn));
  Matrix y(4, kOut);
  const RealMatrix W = real(weight.matrix());
  for (LoraLayer<double>* layer : {&first, &second}) {
    layer->forward(x, y);
    const RealMatrix expected =
        expected_output(real(x), W, real(layer->lora_A()), real(layer->lora_B()), 1.5);
    CHECK(support::distance(y, expected) <= tolerance<double>(1, kIn + kRank, 1, y.norm() + 1));
  }
}

TEST_CASE("merge and unmerge", "[lora_layer]") {
  LORAPRO_TEST_RANDOM(random, 931);
  const auto W = rounded<double>(random.matrix(70, kIn));  // more than one block of rows
  auto memory = W;
  const auto bias = rounded<double>(random.matrix(1, 70));
  LoraLayer<double> layer(BaseWeight<double>::map_writable(memory.data(), 70, kIn), config_of(0.3),
                          bias.data());
  layer.set_training(false);
  layer.lora_B() = rounded<double>(random.matrix(70, kRank));
  const auto x = rounded<double>(random.matrix(9, kIn));
  Matrix before(9, 70), merged(9, 70), after(9, 70);
  layer.forward(x, before);
  CHECK_FALSE(layer.merged());
  layer.merge();
  CHECK(layer.merged());
  const RealMatrix expected = real(W) + 1.5L * product(real(layer.lora_B()), real(layer.lora_A()));
  const auto size = static_cast<double>(reference::norm(expected));
  CHECK(support::distance(memory, expected) <= tolerance<double>(1, kRank + 1, 1, size));
  layer.forward(x, merged);
  CHECK(support::distance(merged, before) <= tolerance<double>(1, kIn + kRank, 1, before.norm()));
  layer.unmerge();
  CHECK_FALSE(layer.merged());
  CHECK(support::distance(memory, W) <= tolerance<double>(1, kRank + 1, 1, size));
  layer.forward(x, after);
  CHECK(support::distance(after, before) <= tolerance<double>(1, kIn + kRank, 1, before.norm()));
}

TEST_CASE("merging into bfloat16 rounds to bfloat16", "[lora_layer]") {
  LORAPRO_TEST_RANDOM(random, 932);
  const auto W = rounded<bfloat16>(random.matrix(70, kIn));
  LoraLayer<float, bfloat16> layer(BaseWeight<bfloat16>::own(W), config_of());
  layer.lora_B() = rounded<float>(random.matrix(70, kRank));
  layer.merge();
  const RealMatrix expected = real(W) + 1.5L * product(real(layer.lora_B()), real(layer.lora_A()));
  const RealMatrix merged = real(layer.base_weight().matrix());
  for (Index k = 0; k < expected.size(); ++k)
    CHECK(static_cast<double>(std::abs(merged.data()[k] - expected.data()[k])) <=
          tolerance<bfloat16>(0.51, 1, 1, static_cast<double>(std::abs(expected.data()[k]))) +
              tolerance<float>(1, kRank, 1, 10));
  layer.unmerge();
  CHECK(support::distance(layer.base_weight().matrix(), W) <=
        tolerance<bfloat16>(1, 1, 1, static_cast<double>(reference::norm(expected))));
}

TEST_CASE("merge is refused where it may not write", "[lora_layer]") {
  LORAPRO_TEST_RANDOM(random, 933);
  const Matrix W = rounded<double>(random.matrix(kOut, kIn));
  const std::string shared = "base_weight: expected sole ownership to merge, got a shared W0";
  SECTION("read-only") {
    const Matrix before = W;
    LoraLayer<double> layer(BaseWeight<double>::map(W.data(), kOut, kIn), config_of());
    layer.lora_B().setOnes();
    CHECK_THROWS_WITH(layer.merge(),
                      "base_weight: expected a writable W0 to merge into, got a read-only one");
    CHECK_THROWS_AS(layer.merge(), lorapro::ConfigError);
    CHECK_FALSE(layer.merged());
    CHECK(W == before);
  }
  SECTION("shared") {
    auto weight = std::make_unique<BaseWeight<double>>(BaseWeight<double>::own(W));
    LoraLayer<double> layer(*weight, config_of());
    layer.lora_B().setOnes();
    CHECK_THROWS_WITH(layer.merge(), shared);
    CHECK_FALSE(layer.merged());
    CHECK(weight->matrix() == W);
    weight.reset();
    CHECK_NOTHROW(layer.merge());
    CHECK(layer.base_weight().matrix() != W);
    const BaseWeight<double> again = layer.base_weight();
    CHECK_THROWS_WITH(layer.unmerge(), shared);
    CHECK(layer.merged());
  }
  SECTION("merged twice, unmerged twice, backward while merged") {
    LoraLayer<double> layer(BaseWeight<double>::own(W), config_of());
    layer.lora_B().setOnes();
    CHECK_THROWS_WITH(layer.unmerge(), "unmerge: expected a merged layer, got an unmerged one");
    layer.merge();
    const Matrix merged = layer.base_weight().matrix();
    CHECK_THROWS_WITH(layer.merge(), "merge: expected an unmerged layer, got a merged one");
    CHECK_THROWS_AS(layer.merge(), lorapro::StateError);
    CHECK(layer.base_weight().matrix() == merged);
    const Matrix x = Matrix::Ones(2, kIn), dy = Matrix::Ones(2, kOut);
    Matrix dx = Matrix::Constant(2, kIn, 7);
    const std::string message = "backward: expected an unmerged layer, got a merged one";
    CHECK_THROWS_WITH(layer.backward(x, dy, dx), message);
    CHECK_THROWS_WITH(layer.backward(x, dy), message);
    CHECK(dx == Matrix::Constant(2, kIn, 7));
    CHECK((layer.grad_A().array() == 0).all());
  }
}

// ---------------------------------------------------------------- wrong calls, moves

TEST_CASE("wrong shapes leave everything untouched", "[lora_layer]") {
  LORAPRO_TEST_RANDOM(random, 941);
  const Experiment e(random, 0.5, 4);
  auto layer = e.layer(), undisturbed = e.layer();
  Matrix y = Matrix::Constant(4, kOut, 7), dx = Matrix::Constant(4, kIn, 7);
  Matrix wrong_y = Matrix::Constant(3, kOut, 7), wrong_dx = Matrix::Constant(4, kIn + 1, 7);
  Eigen::Map<Matrix> map_of_y(wrong_y.data(), 3, kOut), map_of_dx(wrong_dx.data(), 4, kIn + 1);
  const Matrix wrong_x = Matrix::Ones(4, kIn - 1), wrong_dy = Matrix::Ones(4, kOut + 1);
  const Matrix short_dy = Matrix::Ones(3, kOut);
  CHECK_THROWS_WITH(layer.forward(wrong_x, y), "x: expected (4, 7), got (4, 6)");
  CHECK_THROWS_WITH(layer.forward(e.x, map_of_y), "y: expected (4, 5), got (3, 5)");
  CHECK_THROWS_WITH(layer.backward(wrong_x, e.C, dx), "x: expected (4, 7), got (4, 6)");
  CHECK_THROWS_WITH(layer.backward(e.x, wrong_dy, dx), "grad_y: expected (4, 5), got (4, 6)");
  CHECK_THROWS_WITH(layer.backward(e.x, short_dy, dx), "grad_y: expected (4, 5), got (3, 5)");
  CHECK_THROWS_WITH(layer.backward(e.x, e.C, map_of_dx), "grad_x: expected (4, 7), got (4, 8)");
  CHECK_THROWS_WITH(layer.backward(wrong_x, e.C), "x: expected (4, 7), got (4, 6)");
  CHECK_THROWS_AS(layer.backward(e.x, wrong_dy), lorapro::ShapeError);
  CHECK(y == Matrix::Constant(4, kOut, 7));
  CHECK(wrong_y == Matrix::Constant(3, kOut, 7));
  CHECK(dx == Matrix::Constant(4, kIn, 7));
  CHECK(wrong_dx == Matrix::Constant(4, kIn + 1, 7));
  CHECK((layer.grad_A().array() == 0).all());
  CHECK((layer.grad_B().array() == 0).all());
  // Not even a dropout mask was drawn.
  Matrix y_undisturbed(4, kOut);
  layer.forward(e.x, y);
  undisturbed.forward(e.x, y_undisturbed);
  CHECK(y == y_undisturbed);
}

TEST_CASE("matrices are given their sizes", "[lora_layer]") {
  LORAPRO_TEST_RANDOM(random, 944);
  const Experiment e(random, 0, 4);
  auto layer = e.layer();
  Matrix y(4, kOut), dx(4, kIn);
  layer.forward(e.x, y);
  layer.backward(e.x, e.C, dx);
  Matrix empty_y, other_dx(2, 9);
  layer.forward(e.x, empty_y);
  layer.backward(e.x, e.C, other_dx);
  CHECK(empty_y == y);
  CHECK(other_dx == dx);
  CHECK(layer.forward(e.x) == y);
  // What overlaps is refused before a size changes.
  Matrix x = e.x;
  CHECK_THROWS_WITH(layer.forward(x, x), "y: expected memory of its own, got memory shared with x");
  CHECK(x == e.x);
  CHECK_THROWS_AS(layer.forward(x.leftCols(2), y), lorapro::ShapeError);
}

TEST_CASE("a layer has a number of threads of its own", "[lora_layer]") {
  LORAPRO_TEST_RANDOM(random, 945);
  const Experiment e(random, 0, 4);
  auto layer = e.layer();
  const Matrix y = layer.forward(e.x);
  for (const int threads : {0, 1, 3}) {
    layer.set_threads(threads);
    CHECK(layer.forward(e.x) == y);
  }
  CHECK_THROWS_WITH(layer.set_threads(-1), "threads: expected a number >= 0, got -1");
}

TEST_CASE("a config that is not valid makes no layer", "[lora_layer]") {
  const Matrix W = Matrix::Ones(kOut, kIn);
  LoraConfig config = config_of();
  config.rank = 0;
  CHECK_THROWS_AS(LoraLayer<double>(BaseWeight<double>::own(W), config), lorapro::ConfigError);
  config = config_of(1.0);
  CHECK_THROWS_AS(LoraLayer<double>(BaseWeight<double>::own(W), config), lorapro::ConfigError);
}

TEST_CASE("moving a layer keeps the addresses of its parameters", "[lora_layer]") {
  LORAPRO_TEST_RANDOM(random, 942);
  const Experiment e(random, 0, 4);
  auto layer = e.layer();
  const double* const addresses[] = {layer.lora_A().data(), layer.lora_B().data(),
                                     layer.grad_A().data(), layer.grad_B().data()};
  LoraLayer<double> moved(std::move(layer));
  const LoraLayer<double>& constant = moved;
  CHECK(constant.lora_A().data() == addresses[0]);
  CHECK(constant.lora_B().data() == addresses[1]);
  CHECK(constant.grad_A().data() == addresses[2]);
  CHECK(constant.grad_B().data() == addresses[3]);
  CHECK(constant.lora_B() == e.B);
  Matrix y(4, kOut);
  moved.forward(e.x, y);
  CHECK(y.allFinite());
}

TEST_CASE("a rank beyond both sides", "[lora_layer]") {
  LORAPRO_TEST_RANDOM(random, 943);
  LoraConfig config = config_of();
  config.rank = 12;
  const Matrix W = rounded<double>(random.matrix(kOut, kIn));
  LoraLayer<double> layer(BaseWeight<double>::map(W.data(), kOut, kIn), config);
  layer.lora_B() = rounded<double>(random.matrix(kOut, 12));
  const Matrix x = rounded<double>(random.matrix(3, kIn));
  Matrix y(3, kOut);
  layer.forward(x, y);
  const RealMatrix expected =
      expected_output(real(x), real(W), real(layer.lora_A()), real(layer.lora_B()), 4.5 / 12);
  CHECK(support::distance(y, expected) <= tolerance<double>(1, 20, 1, y.norm() + 1));
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

/// \file
/// Batches that share memory with each other or with the layer.
#include <lorapro/layer/lora_layer.hpp>

#include "support/catch.hpp"

namespace {

using lorapro::BaseWeight;
using lorapro::Index;
using lorapro::LoraLayer;
using Batch = lorapro::RowMatrix<float>;

constexpr Index kSide = 6, kBatch = 5;

LoraLayer<float> square_layer(const Batch& W, const float* bias = nullptr) {
  lorapro::LoraConfig config;
  config.rank = 2;
  LoraLayer<float> layer(BaseWeight<float>::map(W.data(), kSide, kSide), config, bias);
  layer.lora_B().setConstant(0.5F);
  return layer;
}

#define LORAPRO_CHECK_SHARED(call, name, other) \
  CHECK_THROWS_WITH(call, name ": expected memory of its own, got memory shared with " other)

TEST_CASE("forward refuses to write what it reads", "[lora_layer]") {
  Batch W = Batch::Random(kSide, kSide), bias = Batch::Random(1, kSide);
  auto layer = square_layer(W, bias.data());
  Batch x = Batch::Random(kBatch, kSide);
  const Batch x_before = x, W_before = W, B_before = layer.lora_B();
  LORAPRO_CHECK_SHARED(layer.forward(x, x), "y", "x");
  // One element is enough.
  Batch wide = Batch::Random(kBatch, 2 * kSide);
  const Batch wide_before = wide;
  auto left = wide.leftCols(kSide), late = wide.middleCols(kSide - 1, kSide);
  LORAPRO_CHECK_SHARED(layer.forward(left, late), "y", "x");
  Eigen::Map<Batch> on_W(W.data(), kSide, kSide), on_bias(bias.data(), 1, kSide);
  LORAPRO_CHECK_SHARED(layer.forward(Batch(Batch::Random(kSide, kSide)), on_W), "y", "base_weight");
  LORAPRO_CHECK_SHARED(layer.forward(Batch(Batch::Random(1, kSide)), on_bias), "y", "bias");
  Eigen::Map<Batch> on_A(layer.lora_A().data(), 2, kSide), on_B(layer.lora_B().data(), 2, kSide);
  const Batch two = Batch::Random(2, kSide);
  LORAPRO_CHECK_SHARED(layer.forward(two, on_A), "y", "lora_A");
  LORAPRO_CHECK_SHARED(layer.forward(two, on_B), "y", "lora_B");
  CHECK(x == x_before);
  CHECK(wide == wide_before);
  CHECK(W == W_before);
  CHECK(layer.lora_B() == B_before);
}

TEST_CASE("backward refuses to write what it reads", "[lora_layer]") {
  const Batch W = Batch::Random(kSide, kSide);
  auto layer = square_layer(W);
  Batch x = Batch::Random(kBatch, kSide), dy = Batch::Random(kBatch, kSide), dx(kBatch, kSide);
  const Batch x_before = x, dy_before = dy;
  LORAPRO_CHECK_SHARED(layer.backward(x, dy, dy), "grad_x", "grad_y");
  LORAPRO_CHECK_SHARED(layer.backward(x, dy, x), "grad_x", "x");
  Eigen::Map<Batch> on_grad_A(layer.grad_A().data(), 2, kSide);
  Eigen::Map<Batch> on_grad_B(layer.grad_B().data(), 2, kSide);
  const Batch two = Batch::Random(2, kSide);
  LORAPRO_CHECK_SHARED(layer.backward(two, two, on_grad_A), "grad_x", "grad_A");
  LORAPRO_CHECK_SHARED(layer.backward(on_grad_A, two), "x", "grad_A");
  LORAPRO_CHECK_SHARED(layer.backward(two, on_grad_B), "grad_y", "grad_B");
  CHECK(x == x_before);
  CHECK(dy == dy_before);
  CHECK((layer.grad_A().array() == 0).all());
  // What is read only may be the same.
  layer.backward(x, x, dx);
  CHECK(dx.allFinite());
}

TEST_CASE("columns of one matrix lie apart", "[lora_layer]") {
  const Batch W = Batch::Random(kSide, kSide);
  auto layer = square_layer(W), other = square_layer(W);
  other.lora_A() = layer.lora_A();
  Batch wide = Batch::Random(kBatch, 3 * kSide);
  const Batch x = wide.leftCols(kSide), dy = wide.middleCols(kSide, kSide);
  Batch y(kBatch, kSide), dx(kBatch, kSide);
  other.forward(x, y);
  other.backward(x, dy, dx);
  auto in = wide.leftCols(kSide), out = wide.rightCols(kSide),
       gradient = wide.middleCols(kSide, kSide);
  layer.forward(in, out);
  CHECK(Batch(out) == y);
  layer.backward(in, gradient, out);
  CHECK(Batch(out) == dx);
}

}  // namespace

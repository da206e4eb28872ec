// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/support/aligned_restart.hpp"

#include "examples/support/random.hpp"
#include <Eigen/SVD>

#include "support/catch.hpp"

namespace {

using Layer = examples::AlignedRestart::Layer;
using Matrix = Layer::Matrix;

TEST_CASE("A sees as much of the first gradient as its rank allows", "[aligned_restart]") {
  examples::RandomEngine engine(4);
  const auto random = [&](Eigen::Index rows, Eigen::Index cols) -> Matrix {
    return Matrix::NullaryExpr(rows, cols, [&] { return examples::uniform(engine, -1, 1); });
  };
  Layer layer(10, 14);
  layer.randomize(engine);
  lorapro::LoraConfig config;
  config.rank = 3;
  config.lora_alpha = 6;
  layer.attach_adapter(config);
  const Matrix x = random(20, 14), grad_y = random(20, 10);

  Layer head(10, 14);
  head.randomize(engine);
  const Matrix head_before = head.weight().value;

  examples::AlignedRestart init({&layer, &head});
  Matrix y;
  layer.forward(x, y);
  layer.backward(x, grad_y);
  init.apply();

  const auto& adapter = *layer.adapter();
  const Matrix A = adapter.lora_A(), G = grad_y.transpose() * x;
  CHECK((A * A.transpose() - Matrix::Identity(3, 3) / 3).norm() < 1e-5);
  // By Eckart and Young no three directions leave less of G than its leading singular vectors.
  const Eigen::VectorXd singular =
      Eigen::JacobiSVD<Eigen::MatrixXd>(G.cast<double>()).singularValues();
  CHECK((G - 3 * G * A.transpose() * A).norm() ==
        Approx(singular.tail(singular.size() - 3).norm()).epsilon(1e-4));
  CHECK(adapter.lora_B().norm() == 0);
  CHECK(adapter.grad_A().norm() == 0);
  CHECK((adapter.grad_B() - 2 * G * A.transpose()).norm() < 1e-4 * G.norm());
  CHECK(layer.weight_gradient().size() == 0);
  CHECK(head.weight().value == head_before);

  // Anew, of an adapter that has learned something: the weight takes it over.
  layer.adapter()->lora_B() = random(10, 3);
  const Matrix merged = layer.weight().value + 2 * layer.adapter()->lora_B() * A;
  layer.watch_weight_gradient(true);  // by somebody else, who goes on
  examples::AlignedRestart anew({&layer});
  layer.forward(x, y);
  const Matrix before = y;
  layer.backward(x, random(20, 10));
  anew.apply();
  CHECK((layer.weight().value - merged).norm() < 1e-5 * merged.norm());
  CHECK(layer.adapter()->lora_B().norm() == 0);
  CHECK((layer.adapter()->lora_A() - A).norm() > 0.1);
  CHECK(layer.weight_gradient().size() == 140);
  layer.forward(x, y);
  CHECK((y - before).norm() < 1e-5 * before.norm());
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/support/step_measurements.hpp"

#include <cmath>
#include <map>
#include <optional>
#include <string>

#include "support/catch.hpp"

namespace {

using examples::Curve;
using examples::StepMeasurements;
using Layer = StepMeasurements::Layer;
using Matrix = StepMeasurements::Matrix;
using Curves = std::map<std::string, Curve>;

/// A layer with an adapter whose A and B are both random, and one batch of inputs and gradients.
struct Case {
  explicit Case(bool with_adapter) : layer(7, 9) {
    examples::RandomEngine engine(3);
    layer.randomize(engine);
    const auto random = [&](Eigen::Index rows, Eigen::Index cols) {
      return Matrix::NullaryExpr(rows, cols, [&] { return examples::uniform(engine, -1, 1); })
          .eval();
    };
    x = random(12, 9);
    grad_y = random(12, 7);
    if (!with_adapter) return;
    lorapro::LoraConfig config;
    config.rank = 2;
    config.lora_alpha = 6;
    layer.attach_adapter(config);
    layer.adapter()->lora_A() = random(2, 9);
    layer.adapter()->lora_B() = random(7, 2);
  }

  /// One measured step that moves every trained matrix by -lr times `direction(gradient)`.
  template <typename Step>
  Curves measure(std::optional<lorapro::AdjustOptions> adjust, const Step& step) {
    StepMeasurements measurements({&layer}, adjust, 1.0);
    measurements.watch();
    Matrix y;
    layer.forward(x, y);
    layer.backward(x, grad_y);
    measurements.before_step();
    step();
    Curves curves;
    measurements.after_step(5, curves);
    for (const auto& [name, curve] : curves) {
      REQUIRE(curve.size() == 1);
      CHECK(curve.front().first == 5);
    }
    return curves;
  }

  Matrix full_gradient() const { return grad_y.transpose() * x; }

  Layer layer;
  Matrix x, grad_y;
};

double value_of(const Curves& curves, const std::string& name) {
  return curves.at(name).front().second;
}

/// The distance of the space of c E, c a number, from G.
double distance(const Matrix& E, const Matrix& G) {
  const double c = E.cwiseProduct(G).sum() / E.squaredNorm();
  return (static_cast<float>(c) * E - G).norm() / G.norm();
}

TEST_CASE("the distance of plain gradients is that of their equivalent gradient",
          "[step_measurements]") {
  Case plain(true);
  auto& adapter = *plain.layer.adapter();
  const Matrix A = adapter.lora_A(), B = adapter.lora_B(), G = plain.full_gradient();
  Matrix dA, dB;
  const auto curves = plain.measure(std::nullopt, [&] {
    dA = 0.125F * adapter.grad_A();
    dB = 0.25F * adapter.grad_B();
    adapter.lora_A() -= dA;
    adapter.lora_B() -= dB;
  });
  const Matrix E = B * (3 * B.transpose() * G) + (3 * G * A.transpose()) * A;
  CHECK(value_of(curves, "gradient_distance") == Approx(distance(E, G)).epsilon(1e-4));
  CHECK(value_of(curves, "second_order_share") ==
        Approx((dB * dA).norm() / (B * dA + dB * A).norm()).epsilon(1e-4));
  const Matrix change = adapter.lora_B() * adapter.lora_A() - B * A;
  CHECK(value_of(curves, "alignment") ==
        Approx(-change.cwiseProduct(G).sum() / (change.norm() * G.norm())).epsilon(1e-4));
}

TEST_CASE("adjusted gradients are as near as the tangent space allows", "[step_measurements]") {
  Case adjusted(true);
  auto& adapter = *adjusted.layer.adapter();
  const Matrix A = adapter.lora_A(), B = adapter.lora_B(), G = adjusted.full_gradient();
  const auto curves = adjusted.measure(lorapro::AdjustOptions{0.0}, [] {});
  const Matrix P_B = B * (B.transpose() * B).inverse() * B.transpose();
  const Matrix P_A = A.transpose() * (A * A.transpose()).inverse() * A;
  const Matrix residual = (Matrix::Identity(7, 7) - P_B) * G * (Matrix::Identity(9, 9) - P_A);
  CHECK(value_of(curves, "gradient_distance") == Approx(residual.norm() / G.norm()).epsilon(1e-4));
  CHECK(value_of(curves, "second_order_share") == 0);  // nothing has moved
  CHECK(value_of(curves, "alignment") == 0);
}

TEST_CASE("a whole weight has no distance", "[step_measurements]") {
  Case whole(false);
  const auto curves = whole.measure(
      std::nullopt, [&] { whole.layer.weight().value -= 0.5F * whole.layer.weight().grad; });
  CHECK(value_of(curves, "gradient_distance") == 0);
  CHECK(value_of(curves, "second_order_share") == 0);
  CHECK(value_of(curves, "alignment") == Approx(1).epsilon(1e-6));
}

TEST_CASE("an adapter's layer forgets the gradient of its weight", "[step_measurements]") {
  Case watched(true);
  watched.measure(std::nullopt, [] {});
  CHECK(watched.layer.weight_gradient().size() == 0);
}

}  // namespace

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/lorapro.hpp>

#include <cmath>
#include <vector>

// One training run; this file is compiled several times with different flags and names.
std::vector<double> LORAPRO_UNIT() {
  using Matrix = lorapro::RowMatrix<double>;
  const auto wave = [](lorapro::Index rows, lorapro::Index cols, double phase) {
    Matrix m(rows, cols);
    for (lorapro::Index i = 0; i < m.size(); ++i) m.data()[i] = std::sin(phase + 1.7 * double(i));
    return m;
  };
  const Matrix x = wave(32, 20, 0.1), target = wave(32, 24, 0.2);

  lorapro::LoraConfig lora;
  lora.rank = 4;
  lorapro::LoraLayer<double> layer(lorapro::BaseWeight<double>::own(wave(24, 20, 0.3)), lora);
  lorapro::OptimizerConfig config;
  config.group.lr = 1e-3;
  lorapro::LoraProOptimizer<double> optimizer(config);
  optimizer.attach(layer);

  Matrix y(32, 24), grad_y(32, 24), grad_x(32, 20);
  for (int step = 0; step < 5; ++step) {
    layer.forward(x, y);
    grad_y = (y - target) / 32;
    optimizer.zero_grad();
    layer.backward(x, grad_y, grad_x);
    if (optimizer.step().updated != 1) return {};
  }
  const auto A = layer.lora_A(), B = layer.lora_B();
  std::vector<double> weights(A.data(), A.data() + A.size());
  weights.insert(weights.end(), B.data(), B.data() + B.size());
  return weights;
}

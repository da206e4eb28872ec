// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/lorapro.hpp>

#include <cstdio>

int main() {
  using Matrix = lorapro::RowMatrix<float>;
  const Matrix base_weight = Matrix::Random(24, 16);  // frozen: (out, in)
  const Matrix x = Matrix::Random(64, 16);            // a batch of 64
  const Matrix target = x * (base_weight + 0.3f * Matrix::Random(24, 16)).transpose();

  lorapro::LoraConfig lora;
  lora.rank = 4;
  lorapro::LoraLayer<float> layer(lorapro::BaseWeight<float>::own(base_weight), lora);

  lorapro::OptimizerConfig config;
  config.group.lr = 1e-2;
  lorapro::LoraProOptimizer<float> optimizer(config);
  optimizer.attach(layer);

  Matrix y(64, 24);
  float first = 0, loss = 0;
  for (int step = 0; step < 20; ++step) {
    layer.forward(x, y);
    const Matrix residual = y - target;
    loss = residual.squaredNorm() / 64;
    if (step == 0) first = loss;
    std::printf("step %2d  loss %.5f\n", step, static_cast<double>(loss));
    const Matrix grad_y = residual * (2.0f / 64);
    optimizer.zero_grad();
    layer.backward(x, grad_y);
    if (optimizer.step().updated != 1) return 1;
  }
  return loss < 0.9f * first ? 0 : 1;
}

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
// A translation unit of its own: it compiles every rule.
#include "support/torch_engines.hpp"

#include <lorapro/adapters/torch/engines_double.hpp>
#include <lorapro/layer/lora_layer.hpp>

namespace {

using lorapro::rule_names;
using lorapro::torch_adapter::LoraPair;
using lorapro::torch_adapter::LoraProOptimizer;
using torch::Tensor;
using Options = lorapro::torch_adapter::LoraProOptions;

TEST_CASE("every rule steps tensors of double as the library's optimizer steps buffers",
          "[torch_engines_double]") {
  support::compare_with_buffers<double>(GENERATE(from_range(rule_names())));
}

TEST_CASE("gradients of autograd are those of a layer of the library", "[torch_engines_double]") {
  using Matrix = lorapro::RowMatrix<double>;
  const std::string rule = GENERATE(from_range(rule_names()));
  CAPTURE(rule);
  constexpr lorapro::Index kOut = 19, kIn = 27, kBatch = 32;
  std::srand(3);
  const Matrix W0 = Matrix::Random(kOut, kIn), x = Matrix::Random(kBatch, kIn);
  const Matrix wanted = Matrix::Random(kBatch, kOut);
  const lorapro::LoraConfig lora = support::config_of(4);
  lorapro::LoraLayer<double> layer(lorapro::BaseWeight<double>::own(W0), lora);
  const auto tensor = [](const Matrix& matrix) {
    return torch::from_blob(const_cast<double*>(matrix.data()), {matrix.rows(), matrix.cols()},
                            torch::kDouble)
        .clone();
  };
  const Tensor weight = tensor(W0), input = tensor(x), target = tensor(wanted);
  const Tensor A = tensor(layer.lora_A()).set_requires_grad(true);
  const Tensor B = tensor(layer.lora_B()).set_requires_grad(true);
  const Options options = Options(0.01).rule(rule).weight_decay(0.3);
  LoraProOptimizer optimizer({LoraPair{A, B, lora.scaling()}}, options);
  lorapro::AnyOptimizer<double> library(rule, options.config());
  library.attach(layer);
  Matrix y(kBatch, kOut), grad_y;
  for (int step = 0; step < 10; ++step) {
    optimizer.zero_grad();
    (input.mm(weight.t()) + input.mm(A.t()).mm(B.t()) * lora.scaling() - target)
        .square()
        .mean()
        .backward();
    optimizer.step();
    layer.forward(x, y);
    grad_y = (y - wanted) * (2.0 / static_cast<double>(y.size()));
    layer.backward(x, grad_y);
    REQUIRE(library.step().updated == 1);
    library.zero_grad();
  }
  // From B = 0 orthogonal factors have singular values at the cutoff, of which squaring has left
  // six digits.
  CHECK(support::deviation(A.detach(), tensor(layer.lora_A())) < 1e-5);
  CHECK(support::deviation(B.detach(), tensor(layer.lora_B())) < 1e-5);
}

}  // namespace

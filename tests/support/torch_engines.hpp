// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include "support/torch.hpp"

#include <lorapro/optim/any_optimizer.hpp>

#include <vector>  // std::vector

namespace support {

template <typename Scalar>
lorapro::RowMatrix<Scalar> matrix_of(const torch::Tensor& tensor) {
  const torch::Tensor rows = tensor.detach().contiguous();
  const std::int64_t cols = rows.size(rows.dim() - 1);
  return Eigen::Map<const lorapro::RowMatrix<Scalar>>(rows.data_ptr<Scalar>(), rows.numel() / cols,
                                                      cols);
}

/// Six steps of tensors and of the library's optimizer on buffers, by the same gradients.
template <typename Scalar>
void compare_with_buffers(const std::string& rule) {
  CAPTURE(rule);
  using lorapro::torch_adapter::LoraProOptions;
  using torch::Tensor;
  constexpr auto kType = torch::CppTypeToScalarType<Scalar>::value;
  torch::manual_seed(95);
  const std::vector<Tensor> parameters{leaf({3, 14}, kType), leaf({9, 3}, kType),
                                       leaf({5, 4}, kType), leaf({11}, kType)};
  std::vector<lorapro::RowMatrix<Scalar>> values, grads;
  for (const Tensor& parameter : parameters) {
    values.push_back(matrix_of<Scalar>(parameter));
    grads.push_back(values.back());
  }
  const LoraProOptions options =
      LoraProOptions(0.02).rule(rule).weight_decay(0.1).loraplus_lr_ratio(2).max_grad_norm(2);
  lorapro::torch_adapter::LoraProOptimizer optimizer(
      {torch::optim::OptimizerParamGroup(parameters)},
      {lorapro::torch_adapter::LoraPair{parameters[0], parameters[1], 1.5}}, options);
  lorapro::AnyOptimizer<Scalar> library(rule, options.config());
  library.attach(lorapro::row_major_view(values[0].data(), values[1].data(), grads[0].data(),
                                         grads[1].data(), 9, 14, 3, 1.5));
  library.attach(lorapro::DenseView<Scalar>{values[2].data(), grads[2].data(), 20, 4});
  library.attach(lorapro::DenseView<Scalar>{values[3].data(), grads[3].data(), 11});
  for (int step = 0; step < 6; ++step) {
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      Tensor(parameters[i]).mutable_grad() = torch::randn(parameters[i].sizes(), kType);
      // A matrix that is moved would bring memory of its own.
      const auto grad = matrix_of<Scalar>(parameters[i].grad());
      grads[i] = grad;
    }
    optimizer.step();
    const auto report = library.step();
    REQUIRE(report.updated == 3);
    CHECK(optimizer.report().updated == 3);
    CHECK(optimizer.report().grad_norm == report.grad_norm);
    for (std::size_t i = 0; i < parameters.size(); ++i)
      CHECK(matrix_of<Scalar>(parameters[i]) == values[i]);
  }
}

}  // namespace support

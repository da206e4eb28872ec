// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <cmath>  // std::isfinite
#include <string>
#include <type_traits>

#include "../support/tensor_file.hpp"
#include "../support/tensor_writer.hpp"
#include "parameters.hpp"

// The parameters of a model in a safetensors file, under their names.
namespace examples::nn {

template <typename Model>
void save_parameters(Model& model, TensorWriter& file) {
  for_each_parameter(model, [&](const std::string& name, auto& parameter) {
    const RowMatrix<float> values = parameter.value.template cast<float>();
    file.add(name, {values.rows(), values.cols()}, values.data());
  });
}

/// \throws std::runtime_error if the file lacks a parameter, or has it in another shape, or one
/// that is not finite; other tensors in it do not matter.
template <typename Model>
void load_parameters(Model& model, const example::TensorFile& file) {
  for_each_parameter(model, [&](const std::string& name, auto& parameter) {
    using Scalar = typename std::decay_t<decltype(parameter.value)>::Scalar;
    const auto& values = file.get(name, {parameter.value.rows(), parameter.value.cols()});
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!std::isfinite(values[i])) file.fail("has a number that is not finite in " + name);
      parameter.value.data()[i] = static_cast<Scalar>(values[i]);
    }
  });
}

}  // namespace examples::nn

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/io/safetensors.hpp>
#include <string>

#include "parameters.hpp"

// The parameters of a model in a safetensors file, as floats under their names.
namespace examples::nn {

template <typename Matrix>
lorapro::io::TensorShape shape_of(const Matrix& matrix) {
  return {static_cast<std::uint64_t>(matrix.rows()), static_cast<std::uint64_t>(matrix.cols())};
}

/// \param model  has to stay as it is until the file is written.
template <typename Model>
void save_parameters(Model& model, lorapro::io::SafetensorsWriter& file) {
  for_each_parameter(model, [&](const std::string& name, auto& parameter) {
    const auto* const value = &parameter.value;
    file.add(name, lorapro::io::Dtype::f32, shape_of(*value),
             [value](lorapro::io::TensorSink& sink) {
               sink.write(value->data(), static_cast<std::size_t>(value->size()));
             });
  });
}

/// \throws lorapro::FormatError if the file lacks a parameter, or has it in another shape, or one
/// that is not finite; other tensors in it do not matter.
template <typename Model>
void load_parameters(Model& model, const lorapro::io::SafetensorsReader& file) {
  for_each_parameter(model, [&](const std::string& name, auto& parameter) {
    file.read(file.at(name, shape_of(parameter.value)), parameter.value.data());
    if (!parameter.value.allFinite()) {
      throw lorapro::FormatError(file.path().string() + ": tensor " + name +
                                 ": expected finite numbers");
    }
  });
}

}  // namespace examples::nn

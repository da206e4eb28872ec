// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/core/buffer.hpp>
#include <vector>

#include "model_tensors.hpp"

namespace examples::llm {

/// A vector of the model, in the scalar that is computed in.
/// \throws lorapro::FormatError for numbers that are not finite.
template <typename Scalar>
lorapro::Buffer<Scalar> read_vector(const ModelTensors& tensors, const std::string& name) {
  std::vector<float> values(static_cast<std::size_t>(tensors.shapes().at(name)[0]));
  tensors.read(name, 0, 1, values.data());
  lorapro::Buffer<Scalar> out(static_cast<Index>(values.size()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!lorapro::is_finite(static_cast<double>(values[i])))
      throw lorapro::FormatError(tensors.place() + ": tensor " +
                                 lorapro::io::detail::quoted_name(name) +
                                 ": expected finite numbers, got one that is not");
    out[static_cast<Index>(i)] = static_cast<Scalar>(values[i]);
  }
  return out;
}

}  // namespace examples::llm

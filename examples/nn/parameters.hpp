// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/core/numeric.hpp>
#include <cmath>  // std::sqrt
#include <string>

#include "../support/random.hpp"
#include "threads.hpp"

namespace examples::nn {

using lorapro::RowMatrix;

/// Numbers that may be trained, and their gradient, which accumulates until it is set to zero.
/// A vector is a matrix of one row.
template <typename Scalar>
class Parameter {
 public:
  Parameter() = default;
  Parameter(Index rows, Index cols)
      : value(RowMatrix<Scalar>::Zero(rows, cols)), grad(RowMatrix<Scalar>::Zero(rows, cols)) {}

  RowMatrix<Scalar> value;
  RowMatrix<Scalar> grad;  // empty while frozen

  /// What is frozen has no gradient, and nothing is computed for one.
  bool frozen() const { return grad.size() == 0; }
  void freeze() { grad.resize(0, 0); }
  void unfreeze() { grad.setZero(value.rows(), value.cols()); }

  /// Uniform with this standard deviation and mean 0.
  void randomize(double deviation, RandomEngine& engine) {
    const auto bound = static_cast<float>(std::sqrt(3.0) * deviation);
    value = value.NullaryExpr(value.rows(), value.cols(),
                              [&] { return static_cast<Scalar>(uniform(engine, -bound, bound)); });
  }
};

/// Every layer has for_each_parameter(name, visit), which calls visit(name, parameter) for what it
/// holds; so has a parameter that stands alone in a model.
template <typename Scalar, typename Visitor>
void for_each_parameter_of(Parameter<Scalar>& parameter, const std::string& name,
                           const Visitor& visit) {
  visit(name, parameter);
}
template <typename Layer, typename Visitor>
void for_each_parameter_of(Layer& layer, const std::string& name, const Visitor& visit) {
  layer.for_each_parameter(name, visit);
}

/// Calls visit(name, parameter) for all parameters of a model, always in the same order. A model
/// has for_each_layer(name, visit), which calls visit(name, layer) for all layers in it.
template <typename Model, typename Visitor>
void for_each_parameter(Model& model, const Visitor& visit) {
  model.for_each_layer(
      "", [&](const std::string& name, auto& layer) { for_each_parameter_of(layer, name, visit); });
}

template <typename Model>
void freeze(Model& model) {
  for_each_parameter(model, [](const std::string&, auto& parameter) { parameter.freeze(); });
}

template <typename Model>
Index parameter_count(Model& model) {
  Index count = 0;
  for_each_parameter(model,
                     [&](const std::string&, auto& parameter) { count += parameter.value.size(); });
  return count;
}

}  // namespace examples::nn

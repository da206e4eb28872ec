// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/lorapro.hpp>
#include <cstddef>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "linear.hpp"
#include "parameters.hpp"

// What training does to a whole model, each a loop over its layers or parameters.
namespace examples::nn {

/// Calls visit(name, linear) for all linear layers of a model.
template <typename Model, typename Visitor>
void for_each_linear(Model& model, const Visitor& visit) {
  model.for_each_layer("", [&](const std::string& name, auto& layer) {
    using Layer = std::decay_t<decltype(layer)>;
    if constexpr (std::is_same_v<Layer, Linear<float>> || std::is_same_v<Layer, Linear<double>>) {
      visit(name, layer);
    }
  });
}

/// The linear layers that are trained: their adapters, or their weights as a whole.
template <typename Model>
std::vector<Linear<float>*> trained_linears(Model& model) {
  std::vector<Linear<float>*> layers;
  for_each_linear(model, [&](const std::string&, Linear<float>& linear) {
    if (linear.adapter() || !linear.weight().frozen()) layers.push_back(&linear);
  });
  return layers;
}

/// Freezes the model and puts adapters on its linear layers.
/// \param config_of  the configuration of adapter number i.
/// \param chooses    whether the linear layer of this name gets one.
template <typename Model, typename ConfigOf, typename Chooses>
void attach_adapters(Model& model, const ConfigOf& config_of, const Chooses& chooses) {
  freeze(model);
  std::size_t number = 0;
  for_each_linear(model, [&](const std::string& name, auto& linear) {
    if (chooses(name)) linear.attach_adapter(config_of(number++));
  });
}
template <typename Model, typename ConfigOf>
void attach_adapters(Model& model, const ConfigOf& config_of) {
  attach_adapters(model, config_of, [](const std::string&) { return true; });
}

/// Gives the optimizer all adapters and all parameters that are not frozen. What is to be in
/// another group than `group` is frozen meanwhile, or chosen by its name.
/// \return how many numbers will be trained.
template <typename Optimizer, typename Model, typename Chooses>
Index attach_to(Optimizer& optimizer, Model& model, lorapro::GroupId group,
                const Chooses& chooses) {
  Index count = 0;
  // Rules that tell matrices from vectors see those of linear layers; tables and heads are vectors.
  std::set<const void*> matrices;
  for_each_linear(model, [&](const std::string& name, auto& linear) {
    if (name != "head") matrices.insert(linear.weight().value.data());
    auto& adapter = linear.adapter();
    if (!adapter || !chooses(name)) return;
    optimizer.attach(*adapter, group, name);
    count += adapter->rank() * (adapter->in_features() + adapter->out_features());
  });
  for_each_parameter(model, [&](const std::string& name, auto& parameter) {
    if (parameter.frozen() || !chooses(name)) return;
    using Scalar = typename std::decay_t<decltype(parameter.value)>::Scalar;
    const Index cols = matrices.count(parameter.value.data()) > 0 ? parameter.value.cols() : 0;
    optimizer.attach(lorapro::DenseView<Scalar>{parameter.value.data(), parameter.grad.data(),
                                                parameter.value.size(), cols},
                     group, name);
    count += parameter.value.size();
  });
  return count;
}
template <typename Optimizer, typename Model>
Index attach_to(Optimizer& optimizer, Model& model, lorapro::GroupId group = {}) {
  return attach_to(optimizer, model, group, [](const std::string&) { return true; });
}

}  // namespace examples::nn

// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/torch/lora_linear.hpp>

#include <torch/nn/modules/container/sequential.h>  // torch::nn::Sequential

#include <functional>  // std::function
#include <string>      // std::string
#include <vector>      // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {

/// Which layers of a model get adapters, and what else is trained.
struct InjectConfig {
  LoraConfig lora;  ///< of every adapter; the seed of each is derived from it
  /// Paths of layers, or their ends behind a dot, as PEFT's target_modules: "query" is every layer
  /// of that name, "blocks.0.query" that of one block.
  std::vector<std::string> target_modules;
  /// In place of target_modules: whether the layer at a path gets one, e.g. by
  /// io::ModulePattern::matches_whole.
  std::function<bool(const std::string&)> matches;
  /// Modules that are trained whole, by the same rule; all other parameters are frozen.
  std::vector<std::string> modules_to_save;
};

namespace detail {

/// Whether the path is one of the names, or ends in one behind a dot.
inline bool ends_in(const std::string& path, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (path == name) return true;
    if (path.size() > name.size() + 1 &&
        path.compare(path.size() - name.size() - 1, std::string::npos, "." + name) == 0)
      return true;
  }
  return false;
}

/// Puts `layer` into the place of a child of a Sequential.
inline void replace(torch::nn::SequentialImpl& parent, const std::string& name,
                    const torch::nn::Module& child, LoraLinear layer) {
  for (torch::nn::AnyModule& module : parent)
    if (module.ptr().get() == &child) module = torch::nn::AnyModule(layer);
  parent.replace_module(name, layer);
}

}  // namespace detail

/// Gives adapters to the layers of a model and freezes everything else.
///
/// - A LoraLinear that matches gets its adapter where it is: members of your modules, elements of
///   any container.
/// - A torch::nn::Linear that matches is replaced where it stands in a torch::nn::Sequential.
/// - A torch::nn::Linear elsewhere cannot be exchanged from outside: the member that holds it and
///   calls its forward(), which is not virtual, is out of reach, and a module that is only
///   registered in its place would never be called. It is an error; declare it as LoraLinear.
///
/// Layers within torch::nn's own modules (MultiheadAttention, Transformer) are of that last kind.
/// \return the paths that got one, in the model's order.
/// \throws ConfigError (a field, a path that cannot get one, nothing that matches), StateError (a
/// layer that has one). Nothing has changed then.
inline std::vector<std::string> inject_lora(torch::nn::Module& model, const InjectConfig& config) {
  config.lora.validate();
  struct Place {
    std::string path, name;
    torch::nn::SequentialImpl* parent;
    std::shared_ptr<torch::nn::Module> layer;
  };
  std::vector<Place> places;
  const auto matches = [&](const std::string& path) {
    return config.matches ? config.matches(path) : detail::ends_in(path, config.target_modules);
  };
  const auto visit = [&](torch::nn::Module& parent, const std::string& prefix,
                         const auto& self) -> void {
    for (const auto& child : parent.named_children()) {
      const std::string path = prefix.empty() ? child.key() : prefix + "." + child.key();
      if (auto* const lora = child.value()->as<LoraLinearImpl>()) {
        if (!matches(path)) continue;
        if (lora->has_adapter())
          throw StateError(path + ": expected a layer without an adapter, got one with it");
        places.push_back({path, child.key(), nullptr, child.value()});
      } else if (child.value()->as<torch::nn::LinearImpl>() != nullptr) {
        if (!matches(path)) continue;
        auto* const sequential = parent.as<torch::nn::SequentialImpl>();
        if (sequential == nullptr)
          throw ConfigError(path +
                            ": expected a LoraLinear, or a Linear in a Sequential, got a Linear "
                            "that another module holds: declare it as LoraLinear");
        places.push_back({path, child.key(), sequential, child.value()});
      } else {
        self(*child.value(), path, self);
      }
    }
  };
  visit(model, "", visit);
  if (places.empty())
    throw ConfigError("target_modules: expected the names of linear layers, got none that matches");

  for (torch::Tensor& parameter : model.parameters()) parameter.set_requires_grad(false);
  for (const auto& module : model.named_modules(/*name_prefix=*/std::string(),
                                                /*include_self=*/false))
    if (detail::ends_in(module.key(), config.modules_to_save))
      for (torch::Tensor& parameter : module.value()->parameters())
        parameter.set_requires_grad(true);

  std::vector<std::string> paths;
  for (const Place& place : places) {
    LoraConfig own = config.lora;
    own.seed = derive_key(config.lora.seed, paths.size());
    if (place.parent != nullptr) {
      const auto linear = std::dynamic_pointer_cast<torch::nn::LinearImpl>(place.layer);
      LoraLinear layer(torch::nn::Linear(linear), own);
      layer->train(linear->is_training());
      detail::replace(*place.parent, place.name, *linear, layer);
    } else {
      place.layer->as<LoraLinearImpl>()->add_adapter(own);
    }
    paths.push_back(place.path);
  }
  return paths;
}

}  // namespace torch_adapter
LORAPRO_NAMESPACE_END
